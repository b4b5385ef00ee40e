// The page's behaviour, without any state that the server does not know better: each part reads the DOM anew.

import { startClock } from "./clock.js";
import { startDesk } from "./desk.js";
import { startFeed } from "./feed.js";
import { startHold } from "./hold.js";
import { startIdle } from "./idle.js";
import { startKeys } from "./keys.js";
import { startLid } from "./lid.js";
import { startMarks } from "./marks.js";
import { startMenus } from "./menus.js";
import { startNotes } from "./notes.js";
import { startPaging } from "./paging.js";
import { startPopout } from "./popout.js";
import { startPress } from "./press.js";
import { startSelects } from "./selects.js";
import { startTold } from "./told.js";
import { startUnanswered } from "./unanswered.js";
import { tellZone } from "./zone.js";

tellZone();
startLid();
// Before the clock: a page that slept is told to be old before its timers tick again.
startFeed();
startClock();
startPress();
startUnanswered();
startTold();
startDesk();
startHold();
startIdle();
startKeys();
startMarks();
startMenus();
startNotes();
startPaging();
startPopout();
startSelects();
