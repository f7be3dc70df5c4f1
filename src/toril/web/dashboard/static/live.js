// Live updates: the server says that something has changed, the page asks for itself and takes over what is marked
// `data-live`. Where the reader is at work (an open menu, a chosen row, the focus), things stay as they are.

const base = document.body.dataset.base;
const light = document.getElementById("live");
const outage = document.getElementById("outage");
const RETRY = 5000; // milliseconds until a stream that the server or a proxy has refused is asked for again
let fresh = light?.textContent; // when the page was last as the server has it
let stream = null;
let asking = false;
let again = false;
let wanted = true;

function show(on, text) {
  light.dataset.on = on ? "yes" : "no";
  light.textContent = text;
}

// Say over the page that it is not fresh any more, and why; live updates go on trying.
function lose(why) {
  if (light.textContent === "live") fresh = `as of ${new Date().toISOString().slice(11, 16)} UTC`;
  outage.textContent = `${why} What stands here is ${fresh}.`;
  outage.hidden = false;
  show(false, "not live");
}

function regain() {
  outage.hidden = true;
  show(true, "live");
  document.dispatchEvent(new Event("toril:fresh"));
}

function typed(field) {
  return field.type !== "hidden" && field.type !== "checkbox" && field.value !== field.defaultValue;
}

function busy(element) {
  return element.querySelector("details[open].drop, input:checked") !== null || [...element.querySelectorAll("input, textarea")].some(typed) || (element.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), textarea, select"));
}

function parts(page) {
  return [...page.querySelectorAll("[data-live]")].map((part) => part.id).join();
}

function replace(fresh) {
  if (parts(fresh) !== parts(document)) { // parts have come or gone: the page is laid out anew
    if (!busy(document.body)) location.reload();
    return;
  }
  for (const element of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(element.id);
    if (next === null || busy(element) || next.innerHTML === element.innerHTML) continue;
    const folds = [...element.querySelectorAll("details.fold")].map((fold) => fold.open);
    const focused = element.contains(document.activeElement) ? address(document.activeElement) : null;
    const left = [...element.querySelectorAll(".scroll, .lines")].map((part) => [part.scrollLeft, part.scrollTop]);
    element.replaceChildren(...next.childNodes);
    element.className = next.className;
    [...element.querySelectorAll("details.fold")].forEach((fold, at) => { if (at in folds) fold.open = folds[at]; });
    [...element.querySelectorAll(".scroll, .lines")].forEach((part, at) => { if (at in left) [part.scrollLeft, part.scrollTop] = left[at]; });
    if (focused) [...element.querySelectorAll("a, button, input, summary")].find((one) => address(one) === focused)?.focus();
  }
}

function address(element) {
  return element.getAttribute("href") ?? element.getAttribute("aria-label") ?? element.value ?? element.textContent;
}

async function ask() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.redirected && !answer.url.startsWith(location.href)) {
      if (busy(document.body)) lose("Your session is over: load the page again to log in."); else location.reload();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.getElementById("live")) { replace(page); regain(); }
    else lose([...page.querySelectorAll("main h1, main h1 + p")].map((part) => part.textContent).join(": ").replace(/\.?$/, "."));
  } catch {
    lose("The server does not answer.");
  } finally {
    asking = false;
    if (again) { again = false; ask(); }
  }
}

function start() {
  if (stream !== null) return;
  const queue = location.pathname.slice(base.length).match(/^queues\/([^/]+)/);
  stream = new EventSource(`${base}live${queue ? `?queue=${queue[1]}` : ""}`);
  stream.addEventListener("changed", ask);
  stream.addEventListener("error", () => {
    ask();
    if (stream?.readyState !== EventSource.CLOSED) return; // the browser comes again by itself
    stream = null;
    setTimeout(look, RETRY);
  });
}

function stop(text) {
  stream?.close();
  stream = null;
  show(false, text);
}

function look() {
  if (wanted && !document.hidden) start(); else stop(wanted ? "waits" : "stopped");
}

// Follow changes while the page is seen; return what stops that and goes on with it.
export function follow() {
  if (light === null) return () => {};
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", () => stop("waits"));
  addEventListener("pageshow", look);
  look();
  return () => { wanted = !wanted; look(); };
}
