package kiosk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/kiosk"
)

const (
	digits = "04821957360284715093"
	others = "71023948560192837465"
)

// scene is what stands before a camera.
type scene struct {
	*image.Gray
	random *rand.Rand
}

func newScene(width, height int, paper uint8) scene {
	s := scene{image.NewGray(image.Rect(0, 0, width, height)), rand.New(rand.NewPCG(1, 2))}
	draw.Draw(s, s.Rect, image.NewUniform(color.Gray{Y: paper}), image.Point{}, draw.Src)
	return s
}

// place puts the code of text on a white card into the scene: how large a module
// is, turned by how many degrees, how much lower the right side is than the left
// for each width (as of a card seen from the side).
func (s scene) place(t testing.TB, text string, x, y int, module, turn, tilt float64) scene {
	t.Helper()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	const rim = 4
	sin, cos := math.Sincos(turn * math.Pi / 180)
	half := float64(code.Size+2*rim) / 2
	reach := int(half*module*1.5*(1+tilt)) + 1 // nothing is changed beyond that
	for py := max(0, y-reach); py < min(s.Rect.Dy(), y+reach); py++ {
		for px := max(0, x-reach); px < min(s.Rect.Dx(), x+reach); px++ {
			var light, inside float64
			for _, dx := range []float64{.25, .75} { // four rays a pixel
				for _, dy := range []float64{.25, .75} {
					rx, ry := float64(px-x)+dx, float64(py-y)+dy
					ry -= rx * tilt
					u, v := (rx*cos+ry*sin)/module+half, (ry*cos-rx*sin)/module+half
					if u < 0 || v < 0 || u >= 2*half || v >= 2*half {
						continue
					}
					inside++
					if !code.Black(int(u)-rim, int(v)-rim) {
						light++
					}
				}
			}
			if inside > 0 {
				under := float64(s.GrayAt(px, py).Y)
				s.SetGray(px, py, color.Gray{Y: uint8((under*(4-inside) + 235*light + 30*(inside-light)) / 4)})
			}
		}
	}
	return s
}

// grain is what a camera adds where there is little light.
func (s scene) grain(strength float64) scene {
	for i, v := range s.Pix {
		s.Pix[i] = uint8(min(255, max(0, float64(v)+s.random.NormFloat64()*strength)))
	}
	return s
}

// blur is what a hand that shakes does to the picture: each pixel becomes the mean
// of n beside it.
func (s scene) blur(n int) scene {
	for y := range s.Rect.Dy() {
		row := s.Pix[y*s.Stride : (y+1)*s.Stride]
		for x := range row {
			sum, end := 0, min(x+n, len(row))
			for _, v := range row[x:end] {
				sum += int(v)
			}
			row[x] = uint8(sum / (end - x))
		}
	}
	return s
}

// shade makes the picture darker from one side to the other.
func (s scene) shade() scene {
	for i, v := range s.Pix {
		s.Pix[i] = uint8(float64(v) * (1 - .7*float64(i%s.Stride)/float64(s.Stride)))
	}
	return s
}

func (s scene) invert() scene {
	for i := range s.Pix {
		s.Pix[i] = 255 - s.Pix[i]
	}
	return s
}

func asPNG(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asJPEG is in colour, as of a camera.
func asJPEG(t testing.TB, p image.Image, quality int) []byte {
	t.Helper()
	coloured := image.NewRGBA(p.Bounds())
	draw.Draw(coloured, p.Bounds(), p, image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, coloured, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	one := func(module, turn, tilt float64) scene {
		return newScene(800, 600, 140).place(t, digits, 400, 300, module, turn, tilt)
	}
	transparent := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	card := newScene(300, 300, 255).place(t, digits, 150, 150, 8, 0, 0)
	for i, v := range card.Pix {
		transparent.Pix[4*i+3] = 255 - v // black ink on nothing
	}
	for _, tt := range []struct {
		name    string
		picture []byte
	}{
		{"as it is", asPNG(t, one(6, 0, 0))},
		{"a little turned", asJPEG(t, one(6, 7, 0), 80)},
		{"turned by 45", asJPEG(t, one(6, 45, 0), 80)},
		{"on its side", asJPEG(t, one(6, 90, 0), 80)},
		{"upside down", asJPEG(t, one(6, 183, 0), 80)},
		{"the other side", asJPEG(t, one(6, 262, 0), 80)},
		{"seen from the side", asJPEG(t, one(6, 12, .25), 80)},
		{"small", asJPEG(t, one(3, 5, 0), 80)},
		{"tiny, on a screenshot", asPNG(t, newScene(360, 740, 255).place(t, digits, 180, 200, 2, 0, 0))},
		{"small in a large photograph", asJPEG(t, newScene(2400, 1800, 140).place(t, digits, 700, 1300, 5, 20, 0), 70)},
		{"all of a large photograph", asJPEG(t, newScene(2400, 1800, 140).place(t, digits, 1200, 900, 50, 3, 0).grain(25), 70)},
		{"in a dark room", asJPEG(t, one(9, 15, 0).grain(45), 80)},
		{"with a shaking hand", asJPEG(t, one(9, 30, 0).blur(9), 80)},
		{"askew, shaken and in the shade", asJPEG(t, newScene(800, 600, 190).place(t, digits, 400, 300, 9, 273, .3).blur(8).grain(20).shade(), 80)},
		{"askew, shaken and before a light wall", asJPEG(t, newScene(800, 600, 210).place(t, digits, 400, 300, 6, 309, .2).blur(5).grain(30), 80)},
		{"half in the shade", asJPEG(t, one(8, 3, 0).shade(), 80)},
		{"badly packed", asJPEG(t, one(8, 10, 0), 8)},
		{"white on black", asPNG(t, one(8, 0, 0).invert())},
		{"on nothing", asPNG(t, transparent)},
		{"twice the same", asPNG(t, newScene(900, 500, 140).place(t, digits, 220, 250, 8, 0, 0).place(t, digits, 670, 250, 8, 5, 0))},
		{"beside a poster's", asPNG(t, newScene(900, 500, 140).place(t, digits, 220, 250, 8, 0, 0).place(t, "https://example.com/", 670, 250, 8, 5, 0))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := kiosk.Read(bytes.NewReader(tt.picture))
			if got != digits || err != nil {
				t.Errorf("got %q, %v; want the digits", got, err)
			}
		})
	}
}

// bomb is a PNG of a few bytes that would be unpacked to many.
func bomb(t *testing.T, width, height uint32) []byte {
	t.Helper()
	b := asPNG(t, image.NewGray(image.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestReadRefuses(t *testing.T) {
	good := asPNG(t, newScene(400, 400, 140).place(t, digits, 200, 200, 8, 0, 0))
	two := newScene(900, 500, 140).place(t, digits, 220, 250, 8, 0, 0).place(t, others, 670, 250, 8, 5, 0)
	for _, tt := range []struct {
		name    string
		picture []byte
		want    error
	}{
		{"nothing", nil, kiosk.ErrNoPicture},
		{"a text", []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), kiosk.ErrNoPicture},
		{"cut off", good[:len(good)/2], kiosk.ErrNoPicture},
		{"a wall", asPNG(t, newScene(400, 400, 140).grain(30)), kiosk.ErrNoCode},
		{"one pixel", asPNG(t, newScene(1, 1, 0)), kiosk.ErrNoCode},
		{"a line", asPNG(t, newScene(5000, 1, 0)), kiosk.ErrNoCode},
		{"several", asPNG(t, two), kiosk.ErrSeveral},
		{"a poster", asPNG(t, newScene(400, 400, 140).place(t, "https://example.com/", 200, 200, 8, 0, 0)), kiosk.ErrOtherCode},
		{"too few digits", asPNG(t, newScene(400, 400, 140).place(t, digits[1:], 200, 200, 8, 0, 0)), kiosk.ErrOtherCode},
		{"too many pixels", bomb(t, 60_000, 60_000), kiosk.ErrTooLarge},
		{"more pixels than there are numbers", bomb(t, math.MaxInt32, math.MaxInt32), kiosk.ErrNoPicture},
		{"too many bytes", append(good, make([]byte, 12<<20)...), kiosk.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := kiosk.Read(bytes.NewReader(tt.picture)); got != "" || !errors.Is(err, tt.want) {
				t.Errorf("got %q, %v; want %v", got, err, tt.want)
			}
		})
	}
	broken := errors.New("the line is dead")
	if _, err := kiosk.Read(io.MultiReader(bytes.NewReader(good[:10]), readerOf(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want the reader's own error", err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func readerOf(err error) io.Reader { return failing{err} }

func TestDigits(t *testing.T) {
	for typed, want := range map[string]string{
		digits:                       digits,
		"0482 1957 3602 8471 5093":   digits,
		" 0482-1957–3602 8471\t5093": digits,
		"０４８２　１９５７　３６０２　８４７１　５０９３":         digits,
		"0482ー1957ー3602ー8471ー5093":         digits,
		"\u20660482195736028471\u20695093": digits, // as copied from a page that isolates it
		digits[1:]:                         "",
		digits + "0":                       "",
		"":                                 "",
		"O4821957360284715093":             "",
		"٠٤٨٢١٩٥٧٣٦٠٢٨٤٧١٥٠٩٣":             "",
		strings.Repeat(" ", 1000) + digits: "",
	} {
		got, ok := kiosk.Digits(typed)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v; want %q", typed, got, ok, want)
		}
	}
}

// FuzzRead looks for a picture that breaks the reader.
func FuzzRead(f *testing.F) {
	f.Add(asPNG(f, newScene(60, 60, 140).place(f, digits, 30, 30, 2, 0, 0)))
	f.Add(asJPEG(f, newScene(90, 60, 140).place(f, digits, 30, 30, 1, 30, 0), 50))
	f.Fuzz(func(t *testing.T, picture []byte) {
		if got, err := kiosk.Read(bytes.NewReader(picture)); (err == nil) != (len(got) == 20) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}
