package browsertest

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"slices"
)

// shrink gives a picture a palette of the colours that it uses most, which for a
// page is a third of the size and looks the same.
func shrink(picture []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("decode picture: %w", err)
	}
	bounds := src.Bounds()
	full := image.NewRGBA(bounds)
	draw.Draw(full, bounds, src, bounds.Min, draw.Src)
	used := map[color.RGBA]int{}
	for i := 0; i < len(full.Pix); i += 4 {
		used[colorAt(full.Pix, i)]++
	}
	most := slices.SortedFunc(maps.Keys(used), func(a, b color.RGBA) int {
		return cmp.Or(used[b]-used[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	palette := make(color.Palette, min(len(most), 64))
	for i := range palette {
		palette[i] = most[i]
	}
	index := make(map[color.RGBA]uint8, len(most))
	for _, c := range most {
		index[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(bounds, palette)
	for i := range out.Pix {
		out.Pix[i] = index[colorAt(full.Pix, 4*i)]
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return b.Bytes(), nil
}

func colorAt(pix []uint8, i int) color.RGBA {
	return color.RGBA{R: pix[i], G: pix[i+1], B: pix[i+2], A: pix[i+3]}
}
