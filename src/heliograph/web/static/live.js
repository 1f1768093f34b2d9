// Moves the list of the live page by server-sent events, and sends the form without leaving the page.
"use strict";

const MOST = 100; // lines on the page, as many as the server keeps for it
const rows = document.getElementById("rows");
const blank = document.getElementById("blank").content.firstElementChild;
const balance = document.getElementById("balance");
const link = document.getElementById("link");
const pause = document.getElementById("pause");
const form = document.getElementById("form");
const notice = document.getElementById("notice");

const known = new Map(); // key -> row
const waiting = new Map(); // key -> line, while paused
let paused = false;
let connected = "off";

for (const row of rows.children) known.set(row.dataset.key, row);

function put(element, text) {
  // Only what differs is touched, so that a screen reader tells the change alone.
  if (element.textContent !== text) element.textContent = text;
}

function fill(row, line) {
  if (row.dataset.tone !== line.tone) row.dataset.tone = line.tone;
  for (const element of row.querySelectorAll("[data-field]")) put(element, line[element.dataset.field]);
  row.querySelector("time").dateTime = line.at;
}

function show(line) {
  let row = known.get(line.key);
  if (row) {
    fill(row, line);
    return;
  }
  row = blank.cloneNode(true);
  row.dataset.key = line.key;
  row.className = "fresh";
  fill(row, line);
  let next = rows.firstElementChild;
  while (next && next.dataset.key > line.key) next = next.nextElementSibling;
  rows.insertBefore(row, next);
  known.set(line.key, row);
}

function trim() {
  while (rows.childElementCount > MOST) {
    known.delete(rows.lastElementChild.dataset.key);
    rows.lastElementChild.remove();
  }
}

function tell() {
  const words = { on: "Live", off: "Connecting…", lost: "Not connected, trying again…" };
  link.dataset.link = paused ? "paused" : connected;
  const more = waiting.size === 1 ? "1 change waits" : `${waiting.size} changes wait`;
  put(link, paused ? (waiting.size ? `Paused, ${more}` : "Paused") : words[connected]);
}

function take(event) {
  const frame = JSON.parse(event.data);
  put(balance, frame.balance);
  for (const line of frame.rows) {
    if (!paused) {
      show(line);
    } else if (!same(line)) {
      waiting.set(line.key, line);
      if (waiting.size > MOST) waiting.delete([...waiting.keys()].sort()[0]);
    }
  }
  trim();
  tell();
}

function same(line) {
  // After a new connection all lines come again.
  const row = known.get(line.key);
  return row && !waiting.has(line.key) && row.querySelector('[data-field="status"]').textContent === line.status;
}

let source = null;

function connect() {
  if (document.hidden || (source && source.readyState !== EventSource.CLOSED)) return;
  source = new EventSource("/live/events");
  source.onopen = () => { connected = "on"; tell(); };
  source.onmessage = take;
  source.onerror = () => {
    connected = "lost";
    tell();
    // After an answer that is no stream the browser gives up; we do not.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  };
}

document.addEventListener("visibilitychange", () => {
  // A browser has six connections to a server: pages that nobody sees leave them to others.
  if (document.hidden && source) source.close();
  connect();
});

pause.addEventListener("click", () => {
  paused = !paused;
  put(pause, paused ? "Resume" : "Pause");
  if (!paused) {
    for (const key of [...waiting.keys()].sort()) show(waiting.get(key));
    waiting.clear();
    trim();
  }
  tell();
});

function say(words, tone) {
  notice.dataset.tone = tone;
  notice.textContent = words;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const found = await answer.json();
    say(found.words, answer.ok ? "good" : "bad");
    if (answer.ok) {
      put(balance, found.balance);
      form.elements.text.value = "";
      form.elements.text.focus();
    }
  } catch {
    say("Not sent: the server does not answer.", "bad");
  } finally {
    button.disabled = false;
  }
});

for (const hint of document.querySelectorAll("[data-phone]")) {
  hint.addEventListener("click", (event) => {
    event.preventDefault();
    form.elements.phone.value = hint.dataset.phone;
    form.elements.text.focus();
  });
}

pause.hidden = false;
tell();
connect();
