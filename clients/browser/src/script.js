// For `<script src="kith.js" defer data-…>`: the settings stand in the tag.

import { start } from "./kith.js";

window.kith = start(document.currentScript?.dataset);
