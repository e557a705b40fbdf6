// The script of every page. Pages hold no script and no style of their own (the
// content security policy forbids both): what they need they say with attributes,
// which the comment at the top of app.css lists.
import "./theme.js";
import "@spectrum-web-components/badge/sp-badge.js";
import "@spectrum-web-components/button/sp-button.js";
import "@spectrum-web-components/divider/sp-divider.js";
import "@spectrum-web-components/status-light/sp-status-light.js";
import "@spectrum-web-components/toast/sp-toast.js";
import "./requests.js";
import "./sandbox.js";
import "./live.js";
import "./confirm.js";
import "./small.js";
import "./forms.js";
import "./panel.js";
import "./sql.js";
