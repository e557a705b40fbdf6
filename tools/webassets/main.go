// The program webassets bundles the user interface's script and style.
//
// It reads internal/webui/assets/src and the npm packages that scripts/test installed
// in .cache/web, and writes internal/webui/assets/dist. The same sources give the same
// bytes. It is called by go generate.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	root, err := filepath.Abs("..") // go generate starts it in the folder of this module
	if err == nil {
		err = run(root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "webassets:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	assets := filepath.Join(root, "internal/webui/assets")
	packages := filepath.Join(root, ".cache/web/node_modules")
	if err := installed(root, assets); err != nil {
		return err
	}
	out := filepath.Join(assets, "dist")
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     assets,
		EntryPoints:       []string{"src/app.js", "src/app.css", "src/icon.svg"},
		NodePaths:         []string{packages},
		Outdir:            out,
		Bundle:            true,
		Write:             true,
		Metafile:          true,
		Format:            api.FormatESModule,
		Target:            api.ES2022, // no engines: what the style asks of browsers stays as it is written
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsNone, // dist/LICENSES.txt has the texts whole
		// Icons of the style are in it; the page's own icon is a file.
		Loader:  map[string]api.Loader{".svg": api.LoaderDataURL},
		Plugins: []api.Plugin{copyEntry("icon.svg")},
	})
	if len(result.Errors)+len(result.Warnings) > 0 {
		messages := append(result.Errors, result.Warnings...)
		return errors.New(strings.Join(api.FormatMessages(messages, api.FormatMessagesOptions{}), "\n"))
	}
	text, err := licenses(result.Metafile, root, packages)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "LICENSES.txt"), text, 0o644)
}

// installed reports an error unless the packages are those of the lock.
func installed(root, assets string) error {
	lock, err := os.ReadFile(filepath.Join(assets, "package-lock.json"))
	if err != nil {
		return err
	}
	have, err := os.ReadFile(filepath.Join(root, ".cache/web/installed"))
	if err != nil || !bytes.Equal(lock, have) {
		return errors.New("the npm packages of internal/webui/assets/package-lock.json are not installed: run scripts/test generate, which installs them in .cache/web")
	}
	return nil
}

// copyEntry copies a file that is an entry point as it is.
func copyEntry(name string) api.Plugin {
	return api.Plugin{Name: "copy", Setup: func(build api.PluginBuild) {
		build.OnLoad(api.OnLoadOptions{Filter: `[\\/]src[\\/]` + strings.ReplaceAll(name, ".", `\.`) + `$`},
			func(args api.OnLoadArgs) (api.OnLoadResult, error) {
				content, err := os.ReadFile(args.Path)
				text := string(content)
				return api.OnLoadResult{Contents: &text, Loader: api.LoaderCopy}, err
			})
	}}
}

// licenses has, for every npm package of which something was bundled, its name, version
// and license. A package that ships no text of its license is under the Apache License,
// whose text is that of this repository.
func licenses(metafile, root, packages string) ([]byte, error) {
	var meta struct {
		Inputs map[string]any `json:"inputs"`
	}
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return nil, err
	}
	var names []string
	for input := range meta.Inputs {
		name, ok := packageOf(filepath.ToSlash(input))
		if ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)

	var b bytes.Buffer
	b.WriteString("app.js and app.css contain code of these packages, minified and otherwise unchanged.\n")
	shared := map[string][]string{} // by text: "name version"
	for _, name := range names {
		about, text, err := license(filepath.Join(packages, name))
		if err != nil {
			return nil, err
		}
		if text == "" {
			own, err := os.ReadFile(filepath.Join(root, "LICENSE"))
			if err != nil {
				return nil, err
			}
			text = string(own)
		}
		shared[text] = append(shared[text], about)
	}
	texts := make([]string, 0, len(shared))
	for text := range shared {
		texts = append(texts, text)
	}
	slices.SortFunc(texts, func(x, y string) int { return cmp.Compare(shared[x][0], shared[y][0]) })
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("-", 72), strings.Join(shared[text], "\n"), strings.TrimSpace(text))
	}
	return b.Bytes(), nil
}

// packageOf returns the name of the npm package that a bundled file belongs to.
func packageOf(input string) (string, bool) {
	at := strings.LastIndex(input, "node_modules/")
	if at < 0 {
		return "", false
	}
	parts := strings.Split(input[at+len("node_modules/"):], "/")
	if strings.HasPrefix(parts[0], "@") {
		return parts[0] + "/" + parts[1], true
	}
	return parts[0], true
}

// license returns the line about a package and its license's text, "" for the Apache
// License when the package has no text of it.
func license(folder string) (about, text string, err error) {
	content, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return "", "", err
	}
	var p struct{ Name, Version, License string }
	if err := json.Unmarshal(content, &p); err != nil {
		return "", "", fmt.Errorf("%s: %w", folder, err)
	}
	about = fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.License)
	found, err := filepath.Glob(filepath.Join(folder, "LICENSE*"))
	if err != nil {
		return "", "", err
	}
	if len(found) > 0 {
		content, err := os.ReadFile(found[0])
		return about, string(content), err
	}
	// Its package.json says ISC, its source files say Apache-2.0, as do its siblings.
	if p.Name == "@spectrum-web-components/theme" {
		return strings.Replace(about, "ISC", "Apache-2.0", 1), "", nil
	}
	if p.License != "Apache-2.0" {
		return "", "", fmt.Errorf("%s has no text of its license %q", p.Name, p.License)
	}
	return about, "", nil
}
