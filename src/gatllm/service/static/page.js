// What a page does beyond HTML: Enter sends, code can be copied, the newest words stay in sight.
// Everything works without it.
"use strict";

const followed = 120; // pixels from the end within which the reader follows what is written

document.addEventListener("keydown", (event) => {
  // While an input method composes a word, Enter accepts the word.
  if (event.target.id !== "prompt" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (event.target.value.trim()) event.target.form.requestSubmit();
});

async function copy(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Could not copy";
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy], .copy");
  if (!button) return;
  if (button.dataset.copy) {
    const source = document.getElementById(button.dataset.copy);
    copy(button, source.value ?? source.textContent);
  } else {
    copy(button, button.nextElementSibling.textContent);
  }
});

function dress(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  for (const block of root.querySelectorAll(".text pre")) {
    if (block.previousElementSibling?.classList.contains("copy") || block.closest(".draft")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "act copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    block.before(button);
  }
}

let wasAtEnd = true;
window.addEventListener("scroll", () => {
  wasAtEnd = window.innerHeight + window.scrollY > document.documentElement.scrollHeight - followed;
}, { passive: true });

let waiting = false;
new MutationObserver(() => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const turns = document.getElementById("turns");
    if (!turns) return;
    dress(turns);
    if (wasAtEnd && turns.querySelector(".busy")) window.scrollTo({ top: document.documentElement.scrollHeight });
  });
}).observe(document.documentElement, { childList: true, subtree: true });

document.addEventListener("submit", (event) => {
  if (event.target.id === "ask" || event.target.id === "again") wasAtEnd = true;
});

// The address of a new conversation is its own, so that a reload shows it again.
new MutationObserver(() => {
  const conversation = document.getElementById("conversation");
  if (conversation?.value && location.pathname === "/") {
    history.replaceState(null, "", `/chat/${conversation.value}`);
  }
}).observe(document.documentElement, { childList: true, subtree: true });

document.addEventListener("DOMContentLoaded", () => {
  dress(document);
  const area = document.getElementById("prompt");
  if (area?.value) area.setSelectionRange(area.value.length, area.value.length);
  if (document.querySelector(".turn") && !location.hash) window.scrollTo({ top: document.documentElement.scrollHeight });
});
