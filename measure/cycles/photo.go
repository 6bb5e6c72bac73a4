package cycles

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg" // photos
	_ "image/png"
	"net/http"
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// mostPixels is how many a photo may have.
const mostPixels = 200_000_000

// isPhoto reports whether a file that begins so is a picture.
func isPhoto(head []byte) bool { return strings.HasPrefix(http.DetectContentType(head), "image/") }

// readCode returns the text of the QR code in a photo, PNG or JPEG.
func readCode(photo []byte) (string, error) {
	size, _, err := image.DecodeConfig(bytes.NewReader(photo))
	if err != nil {
		return "", fmt.Errorf("the picture cannot be read: %w: want PNG or JPEG", err)
	}
	if size.Width*size.Height > mostPixels {
		return "", fmt.Errorf("the picture has %d times %d pixels, more than %d", size.Width, size.Height, mostPixels)
	}
	img, _, err := image.Decode(bytes.NewReader(photo))
	if err != nil {
		return "", fmt.Errorf("the picture cannot be read: %w", err)
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return "", fmt.Errorf("the picture cannot be read: %w", err)
	}
	code, err := qrcode.NewQRCodeReader().Decode(bits, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", fmt.Errorf("there is no QR code that can be read in the picture (%w): give one picture of each, sharp and straight", err)
	}
	return code.GetText(), nil
}
