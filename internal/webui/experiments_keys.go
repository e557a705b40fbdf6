package webui

import (
	"net/http"
)

// decisionKeysView is what the page of keys shows.
type decisionKeysView struct {
	Items []struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Hint     string `json:"hint"`
		By       string `json:"createdBy"`
		Created  string `json:"createdAt"`
		LastUsed string `json:"lastUsedAt"`
		// Origins are those of the pages that may use it.
		Origins []string `json:"origins"`
		// Experiments are the keys of those that it asks about; none for all.
		Experiments []string `json:"experiments"`
	} `json:"items"`
	Name        string     `json:"-"`
	Origins     string     `json:"-"` // as typed, one a line
	Experiments string     `json:"-"` // likewise
	Done        string     `json:"-"`
	Faults      formFaults `json:"-"`
}

func (r *request) decisionKeys() (*decisionKeysView, error) {
	v := &decisionKeysView{Done: r.deed(trialDeeds)}
	return v, r.get(experimentAPI+"/keys", nil, v)
}

func (r *request) showDecisionKeys() error {
	v, err := r.decisionKeys()
	if err != nil {
		return err
	}
	return r.show("decision_keys", v)
}

// makeDecisionKey makes a key, which is shown once, on the page that answers.
func (r *request) makeDecisionKey() error {
	name, typed, named, wrong := r.form("name"), r.form("origins"), r.form("experiments"), formFaults(nil)
	if name == "" {
		wrong.add("name", r.t("Give the key a name."))
	} else {
		var made struct {
			Key string `json:"key"`
		}
		origins := append([]string{}, linesOf(typed)...)
		err := r.send(http.MethodPost, experimentAPI+"/keys", map[string]any{"name": name, "origins": origins, "experiments": append([]string{}, linesOf(named)...)}, &made)
		if err == nil {
			return r.show("decision_key", map[string]any{"Name": name, "Secret": made.Key, "Origins": origins})
		}
		wrong = append(wrong, r.fault(err))
	}
	v, err := r.decisionKeys()
	if err != nil {
		return err
	}
	v.Name, v.Origins, v.Experiments, v.Faults = name, typed, named, wrong
	return r.again("decision_keys", "main", v)
}

func (r *request) revokeDecisionKey() error {
	err := r.send(http.MethodPost, experimentAPI+"/keys/"+escape(r.http.PathValue("key"))+"/revoke", nil, nil)
	if err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/experiments/keys?done=revoked")
}

// holdoutView is what the page of the holdout shows.
type holdoutView struct {
	Share  int        `json:"share"`
	By     string     `json:"updatedBy"`
	Typed  string     `json:"-"`
	Done   string     `json:"-"`
	Faults formFaults `json:"-"`
}

// Portion is the share, of 1.
func (v *holdoutView) Portion() float64 { return float64(v.Share) / slots }

func (r *request) showHoldout() error {
	v := &holdoutView{Done: r.deed(trialDeeds)}
	if err := r.get(experimentAPI+"/holdout", nil, v); err != nil {
		return err
	}
	v.Typed = shareOf(v.Share)
	return r.show("holdout", v)
}

func (r *request) setHoldout() error {
	v := &holdoutView{}
	if err := r.get(experimentAPI+"/holdout", nil, v); err != nil {
		return err
	}
	v.Typed = r.form("share")
	n, ok := readShare(v.Typed)
	if !ok {
		v.Faults.add("share", r.t("A share is a number from 0 to 100 with two decimals at most."))
		return r.again("holdout", "main", v)
	}
	if err := r.send(http.MethodPut, experimentAPI+"/holdout", map[string]int{"share": n}, nil); err != nil {
		fault := r.fault(err)
		fault.Field = "share"
		v.Faults = append(v.Faults, fault)
		return r.again("holdout", "main", v)
	}
	return r.redirect("/experiments/holdout?done=holdout")
}
