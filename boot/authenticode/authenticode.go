// Package authenticode signs EFI applications for Secure Boot.
//
// A signature is PKCS #7 (RFC 2315) over a hash of the file without what the signature
// itself changes (Microsoft, Windows Authenticode Portable Executable Signature Format,
// 2008), at the end of the file (UEFI Specification 2.10, 32.2.2).
package authenticode

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"debug/pe"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
)

// Signer signs with a key and its certificate.
type Signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// NewSigner returns the Signer of an RSA key (PKCS #1 or #8) and an X.509 certificate for
// it, both PEM. An error says which of them is wrong.
func NewSigner(key, cert []byte) (*Signer, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errors.New("the key is not PEM")
	}
	s := &Signer{}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("the key (PEM type %s) is neither PKCS #8 nor PKCS #1 without a passphrase", block.Type)
	}
	var ok bool
	if s.key, ok = parsed.(*rsa.PrivateKey); !ok {
		return nil, errors.New("the key is not an RSA key, which is what firmware takes")
	}
	if block, _ = pem.Decode(cert); block == nil {
		return nil, errors.New("the certificate is not PEM")
	}
	if s.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	if public, ok := s.cert.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(s.key.Public()) {
		return nil, errors.New("the certificate is for another key")
	}
	return s, nil
}

// Object identifiers.
var (
	oidSignedData  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSHA256      = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidIndirect    = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}  // SPC_INDIRECT_DATA_OBJID
	oidPEImage     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15} // SPC_PE_IMAGE_DATAOBJ
)

var (
	algSHA256 = pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	algRSA    = pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
)

// indirectData is SpcIndirectDataContent: what is signed, and its hash.
type indirectData struct {
	Data struct {
		Type  asn1.ObjectIdentifier
		Value struct {
			Flags asn1.BitString
			File  asn1.RawValue // [0] EXPLICIT SpcLink
		}
	}
	Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Value     []byte
	}
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue // [0] EXPLICIT
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []any `asn1:"set"`
}

type signerInfo struct {
	Version int
	Issuer  struct {
		Name   asn1.RawValue
		Serial any
	}
	DigestAlgorithm    pkix.AlgorithmIdentifier
	Attributes         asn1.RawValue // [0] IMPLICIT SET OF
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
}

type signedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Content          contentInfo
	Certificates     asn1.RawValue // [0] IMPLICIT SET OF
	Signers          []signerInfo  `asn1:"set"`
}

// tagged returns content with the context-specific tag 0: of a type that is tagged
// explicitly the whole encoding, else what is in it.
func tagged(content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}
}

// obsolete returns an SpcLink with the text that stands where the name of a file once
// stood: a file, [2] EXPLICIT, that is a BMPString, [0] IMPLICIT.
func obsolete() []byte {
	var text []byte
	for _, c := range "<<<Obsolete>>>" {
		text = append(text, 0, byte(c))
	}
	name := append([]byte{0x80, byte(len(text))}, text...)
	return append([]byte{0xa2, byte(len(name))}, name...)
}

// pkcs7 returns the signature of a file with this hash.
func (s *Signer) pkcs7(digest []byte) ([]byte, error) {
	var what indirectData
	what.Data.Type = oidPEImage
	what.Data.Value.Flags = asn1.BitString{Bytes: []byte{}}
	what.Data.Value.File = tagged(obsolete())
	what.Digest.Algorithm, what.Digest.Value = algSHA256, digest
	content, err := asn1.Marshal(what)
	if err != nil {
		return nil, err
	}
	var inner asn1.RawValue // what is hashed has neither tag nor length
	if _, err := asn1.Unmarshal(content, &inner); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(inner.Bytes)
	attributes, err := asn1.MarshalWithParams([]attribute{
		{oidContentType, []any{oidIndirect}},
		{oidDigest, []any{sum[:]}},
	}, "set")
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(attributes)
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, hash[:])
	if err != nil {
		return nil, err
	}
	var set asn1.RawValue
	if _, err := asn1.Unmarshal(attributes, &set); err != nil {
		return nil, err
	}
	info := signerInfo{Version: 1, DigestAlgorithm: algSHA256, Attributes: tagged(set.Bytes), SignatureAlgorithm: algRSA, Signature: signature}
	info.Issuer.Name, info.Issuer.Serial = asn1.RawValue{FullBytes: s.cert.RawIssuer}, s.cert.SerialNumber
	signed, err := asn1.Marshal(signedData{
		Version: 1, DigestAlgorithms: []pkix.AlgorithmIdentifier{algSHA256},
		Content:      contentInfo{oidIndirect, tagged(content)},
		Certificates: tagged(s.cert.Raw), Signers: []signerInfo{info},
	})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(contentInfo{oidSignedData, tagged(signed)})
}

const (
	// Offsets in the optional header of a PE32+ image.
	checksumOffset    = 64
	directoriesOffset = 112

	// WIN_CERTIFICATE.
	certificateHeader  = 8
	certificateVersion = 0x200
	certificatePKCS7   = 2 // WIN_CERT_TYPE_PKCS_SIGNED_DATA
	certificateAlign   = 8
)

// Sign returns an EFI application with a signature at its end. It must have none yet.
func (s *Signer) Sign(image []byte) ([]byte, error) {
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("not a PE image: %w", err)
	}
	head, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || head.NumberOfRvaAndSizes <= pe.IMAGE_DIRECTORY_ENTRY_SECURITY {
		return nil, errors.New("not a 64-bit PE image with room for a signature")
	}
	if head.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY].Size != 0 {
		return nil, errors.New("the image is signed already")
	}
	optional := int(binary.LittleEndian.Uint32(image[0x3c:])) + 4 + binary.Size(f.FileHeader)
	checksum := optional + checksumOffset
	entry := optional + directoriesOffset + pe.IMAGE_DIRECTORY_ENTRY_SECURITY*binary.Size(pe.DataDirectory{})

	signed := append(image[:len(image):len(image)], make([]byte, -len(image)&(certificateAlign-1))...)
	hash := sha256.New()
	hash.Write(signed[:checksum])
	hash.Write(signed[checksum+4 : entry])
	hash.Write(signed[entry+8:])
	signature, err := s.pkcs7(hash.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	size := certificateHeader + len(signature)
	binary.LittleEndian.PutUint32(signed[entry:], uint32(len(signed)))
	signed = binary.LittleEndian.AppendUint32(signed, uint32(size))
	signed = binary.LittleEndian.AppendUint16(signed, certificateVersion)
	signed = binary.LittleEndian.AppendUint16(signed, certificatePKCS7)
	signed = append(signed, signature...)
	signed = append(signed, make([]byte, -size&(certificateAlign-1))...)
	binary.LittleEndian.PutUint32(signed[entry+4:], uint32(size+-size&(certificateAlign-1)))
	return signed, nil
}
