package catalog

import (
	"encoding/json"
	"errors"

	"github.com/tributary-data/tributary/internal/docstore"
)

// A last is what a dataset knows of its newest batches. It is a document
// beside the dataset's, so that batches and the dataset's own changes do not
// wait for one another.
type last struct {
	BatchID    string `json:"lastBatchId,omitempty"`
	Status     Status `json:"lastBatchStatus,omitempty"`
	Successful string `json:"lastSuccessfulBatchId,omitempty"`
	Failed     string `json:"lastFailedBatchId,omitempty"`
	Created    int64  `json:"batchCreated,omitempty"` // ms, of the last one

	doc docstore.Doc
}

func lastOf(d docstore.Doc) (last, error) {
	var l last
	err := json.Unmarshal(d.Body, &l)
	l.doc = d
	return l, err
}

// lastBatches returns what a dataset knows of its newest batches, the zero
// last if there were none.
func lastBatches(t *docstore.Tx, s docstore.Scope, datasetID string) (last, error) {
	d, err := t.Get(s, kindLast, datasetID)
	if errors.Is(err, docstore.ErrNotFound) {
		return last{}, nil
	}
	if err != nil {
		return last{}, err
	}
	return lastOf(d)
}

// noteLast notes that a batch is new or has another status than before.
func noteLast(t *docstore.Tx, s docstore.Scope, before Status, b Batch) error {
	if b.Status == before {
		return nil
	}
	l, err := lastBatches(t, s, b.DatasetID)
	if err != nil {
		return err
	}
	was := l
	if created := b.Created.UnixMilli(); l.BatchID == b.ID || created >= l.Created {
		l.BatchID, l.Status, l.Created = b.ID, b.Status, created
	}
	switch b.Status {
	case Success:
		l.Successful = b.ID
	case Failed:
		l.Failed = b.ID
	case Inactive, Deleted: // what was a success once is none now
		if l.Successful == b.ID {
			if l.Successful, err = newestSuccess(t, s, b.DatasetID); err != nil {
				return err
			}
		}
	default:
	}
	if l.BatchID == was.BatchID && l.Status == was.Status && l.Successful == was.Successful && l.Failed == was.Failed {
		return nil
	}
	l.doc.Kind, l.doc.ID = kindLast, b.DatasetID
	return t.Store(s, l.doc, l)
}

func newestSuccess(t *docstore.Tx, s docstore.Scope, datasetID string) (string, error) {
	page := docstore.Page{Parent: datasetID, Newest: true, Limit: pageSize}
	for {
		docs, err := t.List(s, kindBatch, page)
		if err != nil {
			return "", err
		}
		for _, d := range docs {
			b, err := batchOf(d)
			if err != nil {
				return "", err
			}
			if b.Status == Success {
				return b.ID, nil
			}
		}
		if len(docs) < pageSize {
			return "", nil
		}
		page.After = docs[len(docs)-1].Mark()
	}
}
