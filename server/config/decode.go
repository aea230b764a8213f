package config

import (
	"encoding"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode puts what was read from a file or the environment into v, and then the
// default into each field that is still zero. It collects every fault on its way.
//
// It is not mapstructure's, because that names Go types and fields where an
// operator needs the key and a sentence.
func decode(path string, in any, v reflect.Value) Faults {
	if in == nil && v.Kind() != reflect.Struct {
		return nil
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return decode(path, in, v.Elem())
	}
	if f, ok := decodeSpecial(path, in, v); ok {
		return f
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeStruct(path, in, v)
	case reflect.Map:
		return decodeMap(path, in, v)
	case reflect.Slice:
		return decodeSlice(path, in, v)
	case reflect.Interface:
		v.Set(reflect.ValueOf(in))
		return nil
	}
	return decodeScalar(path, in, v)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
)

// decodeSpecial handles the types that are written as text but are not strings.
func decodeSpecial(path string, in any, v reflect.Value) (Faults, bool) {
	if v.Type() == durationType {
		s, _ := in.(string)
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return Faults{{path, "must be a length of time such as 30s, 5m or 24h."}}, true
		}
		v.SetInt(int64(d))
		return nil, true
	}
	u, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	if !ok || in == nil {
		return nil, false
	}
	if err := u.UnmarshalText([]byte(fmt.Sprint(in))); err != nil {
		if v.Type() == prefixType {
			return Faults{{path, "must be a network such as 10.0.0.0/8 or fd00::/8."}}, true
		}
		return Faults{{path, err.Error() + "."}}, true
	}
	return nil, true
}

func decodeScalar(path string, in any, v reflect.Value) Faults {
	text, isText := in.(string)
	switch {
	case v.Kind() == reflect.String:
		if !isText {
			return Faults{{path, "must be text; put it in quotes."}}
		}
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b, isBool := in.(bool)
		if !isBool {
			var err error
			if b, err = strconv.ParseBool(text); err != nil {
				return Faults{{path, "must be true or false."}}
			}
		}
		v.SetBool(b)
	case v.CanInt():
		n, err := strconv.ParseInt(fmt.Sprint(in), 10, v.Type().Bits())
		if err != nil {
			return Faults{{path, "must be a whole number."}}
		}
		v.SetInt(n)
	case v.CanFloat():
		n, err := strconv.ParseFloat(fmt.Sprint(in), 64)
		if err != nil {
			return Faults{{path, "must be a number."}}
		}
		v.SetFloat(n)
	default:
		return Faults{{path, fmt.Sprintf("cannot be set (%s).", v.Type())}}
	}
	return nil
}

func decodeMap(path string, in any, v reflect.Value) Faults {
	m, ok := in.(map[string]any)
	if !ok {
		return Faults{{path, "must be a table of keys and values."}}
	}
	var faults Faults
	v.Set(reflect.MakeMap(v.Type()))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		elem := reflect.New(v.Type().Elem()).Elem()
		faults = append(faults, decode(path+"."+k, m[k], elem)...)
		v.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), elem)
	}
	return faults
}

// decodeSlice takes a list; for lists of text and of networks also one string with
// commas, which is how a list is written in the environment.
func decodeSlice(path string, in any, v reflect.Value) Faults {
	list, ok := in.([]any)
	if text, isText := in.(string); isText && (v.Type().Elem().Kind() == reflect.String || v.Type().Elem() == prefixType) {
		ok = true
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	if !ok {
		return Faults{{path, "must be a list."}}
	}
	var faults Faults
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, item := range list {
		faults = append(faults, decode(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))...)
	}
	v.Set(out)
	return faults
}

func decodeStruct(path string, in any, v reflect.Value) Faults {
	m, ok := in.(map[string]any)
	if !ok && in != nil {
		return Faults{{path, "must be a table of keys and values."}}
	}
	rest := maps.Clone(m)
	var faults Faults
	var remain reflect.Value
	for _, f := range fieldsOf(v.Type()) {
		if f.remain {
			remain = v.FieldByIndex(f.index)
			continue
		}
		value := v.FieldByIndex(f.index)
		faults = append(faults, decode(join(path, f.key), m[f.key], value)...)
		if value.IsZero() && f.def != "" {
			faults = append(faults, decode(join(path, f.key), f.def, value)...)
		}
		delete(rest, f.key)
	}
	if remain.IsValid() {
		remain.Set(reflect.ValueOf(rest))
		return faults
	}
	for _, k := range slices.Sorted(maps.Keys(rest)) {
		faults.add(join(path, k), "there is no such setting.")
	}
	return faults
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
