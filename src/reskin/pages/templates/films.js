// ---- any number of films with one clock: the first one's
function setUpFilms(box) {
  const stage = one(".stage", box), panes = all(".pane", stage), videos = panes.map((pane) => one("video", pane));
  const [leader, ...followers] = videos;
  const play = one(".play", box), scrub = one(".scrub", box), clock = one(".clock", box), wiper = one(".wiper", box);
  const pair = one(".pair", box), left = one(".left", box), right = one(".right", box), views = one(".choice", box);
  const frame = 1 / Number(box.dataset.rate || 25);
  let held = false;

  for (const video of videos) { video.controls = false; video.muted = true; }
  const length = () => Math.min(...videos.map((video) => video.duration || Infinity));
  const seek = (time) => {
    const wanted = Math.max(0, Math.min(time, length() - frame / 2));
    for (const video of videos) video.currentTime = Number.isFinite(wanted) ? wanted : 0;
    show();
  };
  const stop = () => {
    for (const video of videos) video.pause();
    for (const video of followers) video.currentTime = leader.currentTime;
    play.textContent = "Play";
  };
  const start = () => {
    if (leader.currentTime >= length() - frame) seek(0);
    play.textContent = "Pause";
    Promise.all(videos.map((video) => video.play())).catch(stop);
  };
  const toggle = () => (leader.paused ? start() : stop());
  const go = (frames) => { stop(); seek(leader.currentTime + frames * frame); };
  const text = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
  const show = () => {
    clock.textContent = text(leader.currentTime);
    if (!held && Number.isFinite(length())) scrub.value = 1000 * leader.currentTime / length();
    if (leader.paused) return;
    for (const video of followers) {
      const apart = Math.abs(video.currentTime - leader.currentTime);
      // A film that is being moved needs time to arrive: another order would only delay it.
      if (!video.seeking && apart > Math.max(0.1, 2 * frame)) video.currentTime = leader.currentTime;
    }
    requestAnimationFrame(show);
  };
  leader.addEventListener("play", show);
  leader.addEventListener("seeked", show);
  leader.addEventListener("loadedmetadata", show);
  for (const video of videos) video.addEventListener("ended", stop);
  play.addEventListener("click", toggle);
  scrub.addEventListener("input", () => { held = true; seek(length() * scrub.value / 1000); });
  scrub.addEventListener("change", () => { held = false; });
  one(".back", box).addEventListener("click", () => go(-1));
  one(".on", box).addEventListener("click", () => go(1));
  one(".speed", box).addEventListener("change", (event) => {
    for (const video of videos) video.playbackRate = Number(event.target.value);
  });

  // Which two are under the line, or which one is alone: that on the right.
  const choose = () => panes.forEach((pane, number) => {
    pane.classList.toggle("before", number === Number(left.value) && left.value !== right.value);
    pane.classList.toggle("after", number === Number(right.value));
  });
  left.addEventListener("change", choose);
  right.addEventListener("change", choose);
  views.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    press(views, button.value);
    stage.classList.remove("beside", "wipe", "after");
    stage.classList.add(button.value);
    pair.hidden = button.value === "beside";
    left.hidden = button.value === "after";
  });
  choose();
  wipes(stage);
  const move = (share) => {
    wiper.value = Number(wiper.value) + 1000 * share;
    wiper.dispatchEvent(new Event("input"));
  };
  const keys = {
    " ": toggle, ArrowLeft: () => go(-1), ArrowRight: () => go(1), Home: () => { stop(); seek(0); },
    "[": () => move(-0.02), "]": () => move(0.02),
  };
  addEventListener("keydown", (event) => {
    // Of several groups in a page, keys move the one that has the focus.
    if (all(".films").length > 1 && !box.contains(event.target)) return;
    const isTyped = event.target.closest("input, select, button, a") && !"[]".includes(event.key);
    if (event.ctrlKey || event.metaKey || event.altKey || isTyped || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
}

all(".films").forEach(setUpFilms);
