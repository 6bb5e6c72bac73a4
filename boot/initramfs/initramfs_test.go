package initramfs

import (
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/cpio"
)

// TestBuild reads archives back with u-root's reader.
func TestBuild(t *testing.T) {
	type entry struct {
		Name string
		Mode uint64
		Data string
	}
	tests := []struct {
		name  string
		files []File
		want  []entry
	}{
		{
			name: "empty",
		},
		{
			name:  "init alone",
			files: []File{Init([]byte("\x7fELF"))},
			want:  []entry{{"init", cpio.S_IFREG | 0o755, "\x7fELF"}},
		},
		{
			name: "missing directories come first, once",
			files: []File{
				{Name: "etc/a/b", Mode: 0o644, Data: []byte("x")},
				{Name: "etc/a/c", Mode: 0o600},
			},
			want: []entry{
				{"etc", cpio.S_IFDIR | 0o755, ""},
				{"etc/a", cpio.S_IFDIR | 0o755, ""},
				{"etc/a/b", cpio.S_IFREG | 0o644, "x"},
				{"etc/a/c", cpio.S_IFREG | 0o600, ""},
			},
		},
		{
			name: "given directory keeps its mode",
			files: []File{
				{Name: "tmp", Mode: fs.ModeDir | 0o700},
				{Name: "tmp/f", Mode: 0o644},
			},
			want: []entry{
				{"tmp", cpio.S_IFDIR | 0o700, ""},
				{"tmp/f", cpio.S_IFREG | 0o644, ""},
			},
		},
		{
			name:  "symbolic link",
			files: []File{{Name: "sh", Mode: fs.ModeSymlink | 0o777, Data: []byte("init")}},
			want:  []entry{{"sh", cpio.S_IFLNK | 0o777, "init"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			archive, err := Build(tt.files...)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Build(tt.files...)
			if err != nil || !bytes.Equal(archive, again) {
				t.Errorf("a second build gave other bytes (error %v)", err)
			}
			records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
			if err != nil {
				t.Fatal(err)
			}
			var got []entry
			for _, r := range records {
				// Whatever a host could leak is 0.
				if r.Ino|r.MTime|r.UID|r.GID|r.NLink|r.Major|r.Minor != 0 {
					t.Errorf("%s: %+v, want nothing of the host in it", r.Name, r.Info)
				}
				var data []byte
				if r.ReaderAt != nil {
					data, err = io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
					if err != nil {
						t.Fatal(err)
					}
				}
				got = append(got, entry{r.Name, r.Mode, string(data)})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("archive (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildErrors(t *testing.T) {
	tests := []struct {
		name  string
		files []File
		want  string
	}{
		{"absolute", []File{{Name: "/init"}}, `name "/init": want a path from the root without a leading slash`},
		{"empty", []File{{}}, `name "": want a path`},
		{"root", []File{{Name: ".", Mode: fs.ModeDir}}, `name ".": want a path`},
		{"upwards", []File{{Name: "a/../../b"}}, `name "a/../../b": want a path`},
		{"trailer", []File{{Name: "TRAILER!!!"}}, "ends a newc archive"},
		{"zero byte", []File{{Name: "a\x00b"}}, "holds a zero byte"},
		{"twice", []File{{Name: "a"}, {Name: "a"}}, "initramfs: a occurs twice"},
		{"directory after what it holds", []File{{Name: "d/f"}, {Name: "d", Mode: fs.ModeDir}}, "initramfs: d occurs twice"},
		{"device", []File{{Name: "console", Mode: fs.ModeDevice}}, "only files, directories and symbolic links"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			archive, err := Build(tt.files...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Build = %d bytes, error %v; want error with %q", len(archive), err, tt.want)
			}
		})
	}
}
