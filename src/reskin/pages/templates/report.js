// The report: two videos as one, and sample grids over the steps.

// ---- groups of buttons of which one is pressed
function press(group, value) {
  for (const button of all("button", group)) {
    button.setAttribute("aria-pressed", String(button.value === value));
  }
}

// ---- the border between two pictures
function wipes(stage) {
  const wiper = one(".wiper", stage);
  wiper.addEventListener("input", () => stage.style.setProperty("--cut", `${wiper.value / 10}%`));
}

// ---- two videos as one
function setUpPlayer(player) {
  const stage = one(".stage", player);
  const [before, after] = all("video", player);
  const play = one(".play", player), scrub = one(".scrub", player), clock = one(".clock", player);
  const frame = 1 / Number(player.dataset.rate || 25);
  const sound = one(".sound", player);
  let held = false;

  for (const video of [before, after]) { video.controls = false; video.muted = true; }
  // The times of the two are compared from the start of each, so a late first frame does no harm.
  const length = () => Math.min(before.duration || Infinity, after.duration || Infinity);
  const seek = (time) => {
    const wanted = Math.max(0, Math.min(time, length() - frame / 2));
    before.currentTime = after.currentTime = Number.isFinite(wanted) ? wanted : 0;
    show();
  };
  const stop = () => { before.pause(); after.pause(); play.textContent = "Play"; };
  const start = () => {
    if (after.currentTime >= length() - frame) seek(0);
    play.textContent = "Pause";
    Promise.all([before.play(), after.play()]).catch(stop);
  };
  const text = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
  const show = () => {
    clock.textContent = text(after.currentTime);
    if (!held && Number.isFinite(length())) scrub.value = 1000 * after.currentTime / length();
    if (!after.paused && Math.abs(before.currentTime - after.currentTime) > Math.max(0.05, frame)) {
      before.currentTime = after.currentTime;
    }
    if (!after.paused) requestAnimationFrame(show);
  };
  after.addEventListener("play", show);
  after.addEventListener("seeked", show);
  after.addEventListener("loadedmetadata", show);
  play.addEventListener("click", () => (after.paused ? start() : stop()));
  scrub.addEventListener("input", () => { held = true; seek(length() * scrub.value / 1000); });
  scrub.addEventListener("change", () => { held = false; });
  one(".back", player).addEventListener("click", () => { stop(); seek(after.currentTime - frame); });
  one(".on", player).addEventListener("click", () => { stop(); seek(after.currentTime + frame); });
  one("select", player).addEventListener("change", (event) => {
    before.playbackRate = after.playbackRate = Number(event.target.value);
  });
  if (sound) sound.addEventListener("click", () => {
    after.muted = !after.muted;
    sound.setAttribute("aria-pressed", String(!after.muted));
    sound.textContent = after.muted ? "Sound off" : "Sound on";
  });
  const views = one(".choice", player);
  views.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    press(views, button.value);
    stage.classList.remove("beside", "wipe", "after");
    stage.classList.add(button.value);
  });
  wipes(stage);
}

// ---- held-out pictures over the steps, and one of them before and after
function setUpSamples(box) {
  const figures = all(".sample", box), control = one(".time", box), comparer = one(".comparer", box);
  const scrub = one(".scrub", control), clock = one(".clock", control), play = one(".play", control);
  const rows = (figures.at(-1).dataset.rows || "").split("|").filter(Boolean);
  const columns = Number(figures.at(-1).dataset.columns);
  let current = figures.length - 1, picture = 0, pair = 0, timer = 0;

  // A row is compared with the original above it: "A → B" and "A → B → A" with "A".
  const pairs = [];
  rows.forEach((title, index) => {
    const origin = rows.indexOf(title.split("→")[0].trim());
    if (title.includes("→") && origin >= 0) pairs.push([origin, index]);
  });

  function draw(canvas, row, column) {
    const image = one("img", figures[current]);
    const width = image.naturalWidth / columns, height = image.naturalHeight / rows.length;
    canvas.width = Math.round(width);
    canvas.height = Math.round(height);
    canvas.getContext("2d").drawImage(
      image, column * width, row * height, width, height, 0, 0, canvas.width, canvas.height);
  }
  function compare() {
    if (comparer.hidden) return;
    const [origin, result] = pairs[pair];
    draw(one(".over", comparer), origin, picture);
    draw(one(".under", comparer), result, picture);
    one(".chip.before", comparer).textContent = rows[origin];
    one(".chip.after", comparer).textContent = rows[result];
    all(".thumbs canvas", comparer).forEach((canvas, column) => draw(canvas, result, column));
  }
  function show(index) {
    current = index;
    figures.forEach((figure, number) => { figure.hidden = number !== index; });
    scrub.value = index;
    const step = Number(figures[index].dataset.step).toLocaleString("en");
    clock.textContent = `step ${step}`;
    scrub.setAttribute("aria-valuetext", `step ${step}`);
    const image = one("img", figures[index]);
    if (image.complete) compare(); else image.addEventListener("load", compare, { once: true });
  }
  function stop() { clearInterval(timer); timer = 0; play.textContent = "Play"; }

  scrub.addEventListener("input", () => { stop(); show(Number(scrub.value)); });
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    play.textContent = "Pause";
    if (current === figures.length - 1) show(0);
    timer = setInterval(() => {
      if (current + 1 >= figures.length) { stop(); return; }
      show(current + 1);
    }, Math.max(120, Math.min(700, 8000 / figures.length)));
  });

  if (columns > 0 && pairs.length) {
    comparer.hidden = false;
    const choices = one(".pairs", comparer), thumbs = one(".thumbs", comparer);
    pairs.forEach(([, result], index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = String(index);
      button.textContent = rows[result];
      button.addEventListener("click", () => { pair = index; press(choices, button.value); compare(); });
      choices.append(button);
    });
    for (let column = 0; column < columns; column += 1) {
      const button = document.createElement("button");
      button.type = "button";
      button.value = String(column);
      button.setAttribute("aria-label", `Picture ${column + 1} of ${columns}`);
      button.append(document.createElement("canvas"));
      button.addEventListener("click", () => { picture = column; press(thumbs, button.value); compare(); });
      thumbs.append(button);
    }
    press(choices, "0");
    press(thumbs, "0");
    wipes(one(".wipe", comparer));
  }
  show(current);
}

all(".player").forEach(setUpPlayer);
all(".samples").forEach(setUpSamples);
