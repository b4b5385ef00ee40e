// The administration's pages: what is typed and pressed there keeps one signed in, too.

import { startIdle } from "./idle.js";
import { startMenus } from "./menus.js";

startIdle();
startMenus();
