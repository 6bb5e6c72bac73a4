// Package tomlfile decodes the TOML files that users write. What is wrong with a file is
// one sentence, with the file's name and the line.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/entrylab/entrylab/internal/near"
)

// Decode decodes the text into the struct at to. name is the file's, for errors. A key
// that the struct lacks is an error, which lists the keys that stand beside it.
func Decode(name string, text []byte, to any) error {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(to)
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		line, _ := missing.Errors[0].Position()
		key := missing.Errors[0].Key()
		known := Keys(to, key[:len(key)-1]...)
		return fmt.Errorf("%s:%d: no key %q: %swant %s", name, line, strings.Join(key, "."), near.Hint(key[len(key)-1], known), strings.Join(known, ", "))
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := bad.Position()
		return fmt.Errorf("%s:%d: %w", name, line, bad)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Keys returns the keys that a struct has in a file or, below a path of keys, those of
// the struct or the list of structs there.
func Keys(of any, path ...string) []string {
	t := reflect.TypeOf(of)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	var keys []string
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		key := f.Tag.Get("toml")
		if len(path) > 0 && key == path[0] {
			return Keys(reflect.Zero(f.Type).Interface(), path[1:]...)
		}
		if key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// LineOf returns the line that a word stands on in quotes; without quotes, the one that
// begins with it, as a key does; the first otherwise.
func LineOf(text []byte, word string) int {
	lines := bytes.Split(text, []byte("\n"))
	for _, is := range []func(line []byte) bool{
		func(line []byte) bool {
			return bytes.Contains(line, []byte(`"`+word+`"`)) || bytes.Contains(line, []byte(`'`+word+`'`))
		},
		func(line []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(line), []byte(word)) },
	} {
		if at := slices.IndexFunc(lines, is); at >= 0 {
			return at + 1
		}
	}
	return 1
}
