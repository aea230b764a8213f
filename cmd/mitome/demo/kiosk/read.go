package kiosk

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // a camera's
	_ "image/png"  // a screenshot's
	"io"
	"slices"

	"github.com/makiuchi-d/gozxing"
	many "github.com/makiuchi-d/gozxing/multi/qrcode"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// What can be wrong with a picture.
var (
	ErrNoPicture = errors.New("kiosk: neither PNG nor JPEG")
	ErrTooLarge  = errors.New("kiosk: picture is too large")
	ErrNoCode    = errors.New("kiosk: no code in the picture")
	ErrSeveral   = errors.New("kiosk: several codes in the picture")
	ErrOtherCode = errors.New("kiosk: the code in the picture is another kind")
)

const (
	maxBytes  = 12 << 20   // a phone's photograph has three to eight
	maxPixels = 26_000_000 // and twelve million of these, or twenty-four
)

// Read finds the code of a phone in a picture, and returns its digits. The
// picture may be turned, as large as a phone's camera makes it, and unsteady.
//
// How large it is to become is read before it is unpacked: a few kilobytes can
// be a picture of gigabytes.
func Read(r io.Reader) (string, error) {
	file, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return "", fmt.Errorf("read picture: %w", err)
	}
	if len(file) > maxBytes {
		return "", ErrTooLarge
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil || size.Width <= 0 || size.Height <= 0 {
		return "", ErrNoPicture
	}
	if size.Width > maxPixels/size.Height {
		return "", ErrTooLarge
	}
	picture, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return "", ErrNoPicture
	}
	return choose(look(gray(picture)))
}

// choose returns the one that is a phone's, among all codes in sight: posters
// have some, too.
func choose(texts []string) (string, error) {
	var found []string
	for _, t := range texts {
		if d, ok := Digits(t); ok && !slices.Contains(found, d) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", ErrSeveral
	case len(texts) > 0:
		return "", ErrOtherCode
	}
	return "", ErrNoCode
}

// gray is what a picture looks like on white paper without its colours.
func gray(picture image.Image) *image.Gray {
	b := picture.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	if p, ok := picture.(*image.YCbCr); ok { // a photograph holds it already
		for y := range b.Dy() {
			from := p.YOffset(b.Min.X, b.Min.Y+y)
			copy(out.Pix[y*out.Stride:], p.Y[from:from+b.Dx()])
		}
		return out
	}
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), picture, b.Min, draw.Over)
	return out
}

// sides are the lengths to which the longer side of a picture is brought, one
// after the other, until a code is found: one size makes the grain of a dark room
// disappear, another keeps a code that is far away.
var sides = []int{1000, 2000, 500}

// look returns what the codes in a picture say.
func look(picture *image.Gray) []string {
	tried := 0
	for _, side := range sides {
		p := shrink(picture, side)
		if p.Rect.Dx() == tried {
			continue // it was no larger than that
		}
		tried = p.Rect.Dx()
		if texts := decode(p); len(texts) > 0 {
			return texts
		}
	}
	return nil
}

// shrink makes the longer side of a picture as long as side, or a little less:
// each pixel is the mean of a square of the picture's.
func shrink(p *image.Gray, side int) *image.Gray {
	n := (max(p.Rect.Dx(), p.Rect.Dy()) + side - 1) / side
	if n <= 1 {
		return p
	}
	out := image.NewGray(image.Rect(0, 0, max(1, p.Rect.Dx()/n), max(1, p.Rect.Dy()/n)))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			out.Pix[y*out.Stride+x] = mean(p, x*n, y*n, n)
		}
	}
	return out
}

func mean(p *image.Gray, left, top, n int) uint8 {
	sum, count := 0, 0
	for y := top; y < min(top+n, p.Rect.Dy()); y++ {
		for _, v := range p.Pix[y*p.Stride+left : y*p.Stride+min(left+n, p.Rect.Dx())] {
			sum += int(v)
			count++
		}
	}
	return uint8(sum / count)
}

// harder: a code is looked for everywhere, not in the middle alone.
var harder = map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}

// decode returns what the codes in a picture say, as it is and with black for
// white. The reader of several codes is the first, because it alone says that
// there are several; the other one finds some that it does not.
func decode(p *image.Gray) []string {
	light, err := gozxing.NewPlanarYUVLuminanceSource(p.Pix, p.Rect.Dx(), p.Rect.Dy(), 0, 0, p.Rect.Dx(), p.Rect.Dy(), false)
	if err != nil {
		return nil
	}
	for _, source := range []gozxing.LuminanceSource{light, light.Invert()} {
		for _, cut := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(source), gozxing.NewGlobalHistgramBinarizer(source)} {
			seen, err := gozxing.NewBinaryBitmap(cut)
			if err != nil {
				continue
			}
			if texts := each(seen); len(texts) > 0 {
				return texts
			}
		}
	}
	return nil
}

func each(seen *gozxing.BinaryBitmap) (texts []string) {
	// An error of either reader says that it found nothing.
	if all, err := many.NewQRCodeMultiReader().DecodeMultiple(seen, harder); err == nil {
		for _, one := range all {
			texts = append(texts, one.GetText())
		}
	}
	if len(texts) > 0 {
		return texts
	}
	if one, err := qrcode.NewQRCodeReader().Decode(seen, harder); err == nil {
		texts = append(texts, one.GetText())
	}
	return texts
}
