package docstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Body reads a document and what its body says; ErrNotFound.
func Body[T any](t *Tx, s Scope, kind, id string) (T, Doc, error) {
	d, err := t.Get(s, kind, id)
	return opened[T](d, err)
}

// BodyByKey is Body of the document with a key.
func BodyByKey[T any](t *Tx, s Scope, kind, key string) (T, Doc, error) {
	d, err := t.Find(s, kind, key)
	return opened[T](d, err)
}

func opened[T any](d Doc, err error) (T, Doc, error) {
	if err != nil {
		var none T
		return none, d, err
	}
	body, err := Decode[T](d)
	return body, d, err
}

// Decode returns what the body of a document says.
func Decode[T any](d Doc) (body T, err error) {
	err = d.Read(&body)
	return body, err
}

// Read puts what the body of a document says into a value.
func (d Doc) Read(into any) error {
	if err := json.Unmarshal(d.Body, into); err != nil {
		return fmt.Errorf("the stored %s %s: %w", d.Kind, d.ID, err)
	}
	return nil
}

// Encode returns a body as Write stores it: JSON in which values stand as they
// were given, without escapes for HTML.
func Encode(body any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Write is Put with a body.
func (t *Tx) Write(s Scope, d Doc, body any) (Doc, error) {
	text, err := Encode(body)
	if err != nil {
		return Doc{}, err
	}
	d.Body = text
	return t.Put(s, d)
}

// Store is Write for those who need not know how it is stored.
func (t *Tx) Store(s Scope, d Doc, body any) error {
	_, err := t.Write(s, d, body)
	return err
}

// WriteVersion keeps what a document is since its last Write as one of its
// versions, and removes the oldest when there are more than most.
func (t *Tx) WriteVersion(s Scope, kind string, of Doc, most int64, body any) error {
	if err := t.Store(s, Doc{Kind: kind, ID: of.ID + "." + strconv.FormatInt(of.Revision, 10), Parent: of.ID}, body); err != nil {
		return err
	}
	if of.Revision <= most {
		return nil
	}
	oldest, err := t.List(s, kind, Page{Parent: of.ID, Limit: 1})
	if err != nil {
		return err
	}
	return t.Delete(s, kind, oldest[0].ID)
}

// Remove is Delete of what need not be there.
func (t *Tx) Remove(s Scope, kind, id string) error {
	if err := t.Delete(s, kind, id); !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// RemoveOf removes all documents of a kind that belong to a parent.
func (t *Tx) RemoveOf(s Scope, kind, parent string) error {
	docs, err := t.List(s, kind, Page{Parent: parent})
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := t.Delete(s, kind, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// Turn gives a document of the installation's scope a new revision, by which
// others see that something has changed; with a body if it is the first.
func (t *Tx) Turn(kind, id string, body any) error {
	d, err := t.Get(Scope{}, kind, id)
	if errors.Is(err, ErrNotFound) {
		return t.Store(Scope{}, Doc{Kind: kind, ID: id}, body)
	}
	if err != nil {
		return err
	}
	_, err = t.Put(Scope{}, d)
	return err
}
