package authenticode

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/entrylab/entrylab/boot/proto"
	"github.com/entrylab/entrylab/internal/need"
)

// keys returns a new key and a certificate for it, PEM.
func keys(t *testing.T) (key, cert []byte) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "entrylab test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// application returns an EFI application.
func application(t *testing.T) []byte {
	t.Helper()
	const load = 1 << 20
	file := proto.KernelFile{
		Load: load, Start64: load + 0x200, BIOS: load, EFI: load, Handover: load + 0x300,
		Sections: []proto.FileSection{{Name: ".text", Addr: load, Data: bytes.Repeat([]byte{0xcc}, 0x2001), Size: 0x3000, Exec: true}},
	}
	image, err := file.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestSign has another program verify what is signed, and reject it when a bit of it is
// another, or the certificate is.
func TestSign(t *testing.T) {
	need.Tool(t, "sbverify")
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, cert := keys(t)
	_, other := keys(t)
	s, err := NewSigner(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign(application(t))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(signed)
	changed[0x1800] ^= 1
	ours, others := write("cert", cert), write("other", other)
	for _, tt := range []struct {
		name, cert string
		image      []byte
		ok         bool
	}{
		{"signed", ours, signed, true},
		{"by another", others, signed, false},
		{"changed", ours, changed, false},
		{"not signed", ours, application(t), false},
	} {
		out, err := exec.CommandContext(t.Context(), "sbverify", "--cert", tt.cert, write("image", tt.image)).CombinedOutput()
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v: %s", tt.name, err, out)
		}
	}
	if _, err := s.Sign(signed); err == nil || !strings.Contains(err.Error(), "signed already") {
		t.Errorf("signed twice: %v", err)
	}
	if _, err := s.Sign([]byte("MZ")); err == nil || !strings.Contains(err.Error(), "not a PE image") {
		t.Errorf("no image: %v", err)
	}
}

// TestNewSigner: keys and certificates that do not do.
func TestNewSigner(t *testing.T) {
	key, cert := keys(t)
	_, other := keys(t)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		key, cert []byte
		want      string
	}{
		{"no key", []byte("hello"), cert, "the key is not PEM"},
		{"a key with a passphrase", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}), cert, "without a passphrase"},
		{"an EC key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), cert, "not an RSA key"},
		{"no certificate", key, []byte("hello"), "the certificate is not PEM"},
		{"a key for a certificate", key, key, "the certificate: "},
		{"another certificate", key, other, "for another key"},
	} {
		if _, err := NewSigner(tt.key, tt.cert); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}
