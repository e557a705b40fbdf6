package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// A Sealed is a sealed text as a document holds it. About is there so that the
// text can be sealed anew without knowing the object; who opens it says
// himself what it is about, and does not take the document's word for it.
type Sealed struct {
	Text  []byte `json:"$sealed"`
	About string `json:"about"`
}

// Put seals a text for a document.
func (k *Keys) Put(plain []byte, about string) (Sealed, error) {
	text, err := k.Seal(plain, about)
	return Sealed{text, about}, err
}

// A Resealed is what Reseal made of a document.
type Resealed struct {
	Document []byte   // the document as it is to be from now on
	Count    int      // how many texts were sealed anew
	Left     []uint32 // old keys that are named by something which could not be
}

// Reseal seals the texts of a JSON document anew that are sealed with an old
// key. All else stays as it is, to the byte. What looks sealed and does not
// open, or does not stand in a Sealed, is left and told.
func (k *Keys) Reseal(document []byte) (Resealed, error) {
	out := Resealed{Document: document}
	set, err := k.current()
	if err != nil {
		return out, err
	}
	var root any
	if !json.Valid(document) {
		return out, nil // holds no Sealed
	}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber() // numbers of clients may be larger than any float
	if err := d.Decode(&root); err != nil {
		return out, fmt.Errorf("read a document: %w", err)
	}
	var left []uint32
	done := make(map[string]bool)
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if err := walk(e); err != nil {
					return err
				}
			}
		case map[string]any:
			about, _ := v["about"].(string)
			for name, e := range v {
				text, ok := e.(string)
				if !ok {
					if err := walk(e); err != nil {
						return err
					}
					continue
				}
				id, sealed := old(set, text)
				if sealed == nil {
					continue
				}
				plain, err := set.aead.Decrypt(sealed, []byte(about))
				if name != "$sealed" || err != nil {
					left = append(left, id)
					continue
				}
				fresh, err := set.aead.Encrypt(plain, []byte(about))
				if err != nil {
					return fmt.Errorf("seal %s: %w", about, err)
				}
				was, is := quoted(sealed), quoted(fresh)
				if done[string(sealed)] { // it stood there twice
					continue
				}
				done[string(sealed)] = true
				if !bytes.Contains(out.Document, was) { // written in some other way
					left = append(left, id)
					continue
				}
				out.Document = bytes.ReplaceAll(out.Document, was, is)
				out.Count++
			}
		case string:
			if id, sealed := old(set, v); sealed != nil {
				left = append(left, id)
			}
		}
		return nil
	}
	if err := walk(root); err != nil {
		return Resealed{Document: document}, err
	}
	slices.Sort(left)
	out.Left = slices.Compact(left)
	return out, nil
}

// old returns what a text holds that an old key of the set has sealed.
func old(s *set, text string) (uint32, []byte) {
	if len(text) < base64.RawStdEncoding.EncodedLen(leastSize) {
		return 0, nil
	}
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		sealed, err := e.DecodeString(text)
		if err != nil {
			continue
		}
		if id, ok := KeyOf(sealed); ok && id != s.primary && slices.Contains(s.ids, id) {
			return id, sealed
		}
	}
	return 0, nil
}

func quoted(b []byte) []byte {
	return []byte(`"` + base64.StdEncoding.EncodeToString(b) + `"`)
}
