// Begin: ask the server what is open, build the page from it, and show the setting of the address or of the command.

import { Lost, get } from "./api.js";
import { byId, el, say, thousands } from "./dom.js";
import { askFigures, startFigures } from "./figures.js";
import { showDecoder, startForm } from "./form.js";
import { startKeys } from "./keys.js";
import { openVideo, startList } from "./list.js";
import { startOut } from "./out.js";
import { startPlayer } from "./player.js";
import { changed, readAddress, remember, state } from "./state.js";
import { startTheme } from "./theme.js";
import { startTimeline } from "./timeline.js";
import { startVideo } from "./video.js";
import { startWhy } from "./why.js";
import { startWords } from "./words.js";

const showSession = (session) => {
  say(byId("store"), session.store);
  document.title = `${session.store}: avreplay explore`;
  const all = session.videos, some = session.annotated_videos;
  const parts = [session.annotated && some < all ? `${thousands(some)} of ${thousands(all)} videos annotated` : `${thousands(all)} videos`, `${session.labels.length} labels`];
  if (session.encoder) parts.push(session.encoder);
  if (session.annotated) parts.push(`${session.dataset}, ${session.split}`);
  say(byId("facts"), parts.join(" · "));
  byId("notes").replaceChildren(...(session.notes ?? []).map((text) => el("li", { text })));
  byId("notes").hidden = !session.notes?.length;
};

const begin = async () => {
  startTheme();
  const session = await get("/api/session");
  if (!readAddress()) state.setting = structuredClone(session.start);
  showSession(session);
  startOut();
  startFigures(session);
  startPlayer();
  startVideo(session);
  startTimeline(session);
  startWhy(session);
  startWords(session);
  startKeys();
  await startForm(session);
  askFigures();
  await startList(session);
  remember();
  window.addEventListener("hashchange", async () => {
    // an address typed or pasted over this one
    if (!readAddress()) return;
    await showDecoder();
    changed();
    await openVideo(state.video);
  });
  document.documentElement.dataset.ready = "yes";
};

begin().catch((error) => {
  if (error instanceof Lost) return;
  console.error(error);
  say(byId("lost"), error.message);
  byId("lost").hidden = false;
});
