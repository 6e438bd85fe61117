"use strict";
// Filters, search, and what opens and closes. Without it, everything can be read all the same.
(() => {
  const bar = document.querySelector(".filter");
  const items = [...document.querySelectorAll(".item")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const find = document.getElementById("find");
  const level = document.getElementById("level");
  const groups = [...bar.querySelectorAll("input[type=checkbox]")];
  const count = bar.querySelector("output");

  const wanted = (item, text) => {
    const group = groups.find((box) => box.value === item.dataset.group);
    if (group && !group.checked) return false;
    if (level.value && !item.dataset.marks.split(" ").includes(level.value)) return false;
    return find.value.toLowerCase().split(/\s+/).every((word) => text.includes(word));
  };
  const apply = () => {
    let shown = 0;
    items.forEach((item, index) => {
      item.hidden = !wanted(item, texts[index]);
      shown += item.hidden ? 0 : 1;
    });
    for (const section of document.querySelectorAll(".group")) {
      section.hidden = !section.querySelector(".item:not([hidden])");
    }
    count.textContent = `${shown} of ${items.length} shown`;
  };
  const open = (state) => {
    for (const item of items) if (!item.hidden) item.firstElementChild.open = state;
  };
  const follow = () => {
    const id = location.hash.slice(1);
    const item = id && document.getElementById(id);
    if (!item || !item.classList.contains("item")) return;
    item.hidden = false;
    item.closest(".group").hidden = false;
    item.firstElementChild.open = true;
    item.scrollIntoView();
  };

  bar.hidden = false;
  find.addEventListener("input", apply);
  level.addEventListener("change", apply);
  groups.forEach((box) => box.addEventListener("change", apply));
  document.getElementById("open").addEventListener("click", () => open(true));
  document.getElementById("close").addEventListener("click", () => open(false));
  document.getElementById("reset").addEventListener("click", () => {
    find.value = level.value = "";
    groups.forEach((box) => { box.checked = true; });
    apply();
  });
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", () => open(true));
  apply();
  follow();
})();
