// Pictures seen closely: one after another, whole or pixel for pixel, and any two beside each other or under a slider,
// where both are moved and enlarged alike. An entry is [address, words].
window.cxViewer = (() => {
  const MOST = 64, STEP = 1.25;
  const state = {entries: [], at: 0, kept: null, slider: false, zoom: 1, x: 0.5, y: 0.5, cut: 50};
  const key = ([address]) => address.split('?')[0];
  const button = (act, words, sign, hint = '') =>
    `<button class="cx-button" data-do="${act}" aria-label="${words}" title="${words}${hint}">${sign}</button>`;
  const build = () => {
    const dialog = document.createElement('dialog');
    dialog.id = 'viewer';
    dialog.className = 'cx-viewer';
    dialog.setAttribute('aria-label', 'Pictures seen closely');
    dialog.innerHTML =
      `<header><p class="cx-viewer-title" role="status"></p><div class="cx-viewer-tools">` +
      button('back', 'The picture before', '←', ' (left arrow)') + button('on', 'The next picture', '→', ' (right arrow)') +
      button('out', 'Further away', '−', ' (−)') + button('in', 'Closer', '+', ' (+)') +
      button('whole', 'Whole', 'Whole', ' (0)') + button('true', 'Pixel for pixel', '1 : 1', ' (1)') +
      button('keep', 'Keep this picture to compare it with the next ones', 'Compare', ' (C)') +
      button('slider', 'Under a slider', 'Slider') + button('close', 'Close', 'Close', ' (Esc)') +
      `</div></header><div class="cx-viewer-panes"><figure><img alt=""><figcaption></figcaption></figure>` +
      `<figure><img alt=""><figcaption></figcaption></figure></div>` +
      `<label class="cx-viewer-cut">Share of the first picture <input type="range" min="0" max="100" value="50"></label>`;
    document.body.append(dialog);
    listen(dialog);
    return dialog;
  };
  const dialog = () => document.getElementById('viewer') ?? build();
  const panes = () => [...dialog().querySelectorAll('figure')].filter(pane => !pane.hidden);
  const wholeScale = pane => {
    const image = pane.querySelector('img'), box = dialog().querySelector('.cx-viewer-panes').getBoundingClientRect();
    const width = state.slider ? box.width : pane.clientWidth, height = state.slider ? box.height : pane.clientHeight;
    return Math.min(width / (image.naturalWidth || 1), height / (image.naturalHeight || 1));
  };
  const place = () => {
    for (const pane of panes()) {
      const image = pane.querySelector('img'), scale = wholeScale(pane) * state.zoom;
      const width = image.naturalWidth * scale, height = image.naturalHeight * scale;
      const x = width <= pane.clientWidth ? 0.5 : state.x, y = height <= pane.clientHeight ? 0.5 : state.y;
      Object.assign(image.style, {
        width: `${width}px`, height: `${height}px`,
        left: `${pane.clientWidth / 2 - x * width}px`, top: `${pane.clientHeight / 2 - y * height}px`,
        imageRendering: scale * devicePixelRatio >= 2 && state.zoom > 1 ? 'pixelated' : 'auto',
      });
    }
    dialog().style.setProperty('--cut', `${state.cut}%`);
  };
  const show = () => {
    const box = dialog(), two = state.kept !== null;
    const shown = two ? [state.kept, state.entries[state.at]] : [state.entries[state.at]];
    box.classList.toggle('cx-two', two && !state.slider);
    box.classList.toggle('cx-slid', two && state.slider);
    box.querySelectorAll('figure').forEach((pane, index) => {
      pane.hidden = index >= shown.length;
      if (pane.hidden) return;
      const image = pane.querySelector('img'), [address, words] = shown[index];
      if (image.getAttribute('src') !== address) image.src = address;
      image.alt = words;
      pane.querySelector('figcaption').textContent = words;
    });
    const count = state.entries.length, place_ = count > 1 ? `${state.at + 1} of ${count}: ` : '';
    const said = place_ + shown.map(([, words]) => words).join(', beside ');
    const title = box.querySelector('.cx-viewer-title');
    if (title.textContent !== said) title.textContent = said;
    for (const act of ['back', 'on', 'keep']) box.querySelector(`[data-do=${act}]`).disabled = count < 2;
    box.querySelector('[data-do=keep]').setAttribute('aria-pressed', String(two));
    box.querySelector('[data-do=slider]').hidden = !two;
    box.querySelector('[data-do=slider]').setAttribute('aria-pressed', String(state.slider));
    box.querySelector('.cx-viewer-cut').hidden = !two || !state.slider;
    place();
  };
  const clamp = value => Math.min(1, Math.max(0, value));
  const zoomTo = zoom => { state.zoom = Math.min(MOST, Math.max(1 / 8, zoom)); place(); };
  const go = by => {
    const count = state.entries.length;
    if (count < 2) return;
    do state.at = (state.at + by + count) % count; while (state.kept && count > 2 && key(state.entries[state.at]) === key(state.kept));
    show();
  };
  const acts = {
    back: () => go(-1), on: () => go(1), in: () => zoomTo(state.zoom * STEP), out: () => zoomTo(state.zoom / STEP),
    whole: () => { Object.assign(state, {x: 0.5, y: 0.5}); zoomTo(1); },
    true: () => zoomTo(1 / (wholeScale(panes()[0]) * devicePixelRatio)),
    keep: () => {
      if (state.kept) { state.kept = null; show(); return; }
      state.kept = state.entries[state.at];
      go(1);
    },
    slider: () => { state.slider = !state.slider; show(); },
    close: () => dialog().close(),
  };
  const KEYS = {
    ArrowLeft: 'back', ArrowRight: 'on', '+': 'in', '=': 'in', '-': 'out', '0': 'whole', '1': 'true', c: 'keep', C: 'keep',
  };
  const listen = box => {
    const area = box.querySelector('.cx-viewer-panes'), held = new Map();
    box.addEventListener('click', event => acts[event.target.closest?.('[data-do]')?.dataset.do]?.());
    box.addEventListener('keydown', event => {
      const act = KEYS[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input')) return;
      event.preventDefault();
      acts[act]();
    });
    box.querySelector('.cx-viewer-cut input').addEventListener('input', event => {
      state.cut = Number(event.target.value);
      place();
    });
    for (const image of box.querySelectorAll('img')) image.addEventListener('load', place);
    area.addEventListener('wheel', event => {
      event.preventDefault();
      const pane = event.target.closest('figure') ?? panes()[0], image = pane.querySelector('img');
      const before = image.getBoundingClientRect();
      const x = (event.clientX - before.left) / before.width, y = (event.clientY - before.top) / before.height;
      const factor = STEP ** (-Math.sign(event.deltaY)), middle = pane.getBoundingClientRect();
      // What is under the pointer stays there.
      const width = before.width * factor, height = before.height * factor;
      state.x = clamp(x - (event.clientX - middle.left - middle.width / 2) / width);
      state.y = clamp(y - (event.clientY - middle.top - middle.height / 2) / height);
      zoomTo(state.zoom * factor);
    }, {passive: false});
    area.addEventListener('pointerdown', event => {
      if (event.button) return;
      area.setPointerCapture(event.pointerId);
      held.set(event.pointerId, [event.clientX, event.clientY]);
    });
    area.addEventListener('pointermove', event => {
      const from = held.get(event.pointerId);
      if (!from) return;
      const spread = () => { const [a, b] = [...held.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]) || 1; };
      const before = held.size === 2 ? spread() : 1;
      held.set(event.pointerId, [event.clientX, event.clientY]);
      if (held.size === 2) return zoomTo(state.zoom * spread() / before);
      const size = panes()[0].querySelector('img').getBoundingClientRect();
      state.x = clamp(state.x - (event.clientX - from[0]) / size.width);
      state.y = clamp(state.y - (event.clientY - from[1]) / size.height);
      place();
    });
    for (const kind of ['pointerup', 'pointercancel']) area.addEventListener(kind, event => held.delete(event.pointerId));
    area.addEventListener('dblclick', () => acts[state.zoom === 1 ? 'true' : 'whole']());
    addEventListener('resize', () => { if (box.open) place(); });
  };
  const start = changes => {
    Object.assign(state, {kept: null, slider: false, zoom: 1, x: 0.5, y: 0.5, cut: 50}, changes);
    const box = dialog();
    if (!box.open) box.showModal();
    show();
  };
  const once = entries => [...new Map(entries.map(entry => [key(entry), entry])).values()];
  const listed = () => [...document.querySelectorAll('#results [data-look]')].flatMap(one => JSON.parse(one.dataset.look));
  const onStage = stage => {
    const title = stage.querySelector('h2')?.textContent ?? '';
    const images = [...stage.querySelectorAll('.cx-compare > img, .cx-canvas img, .cx-sheet figure > img, .cx-thumb img')];
    return images.map(image => [image.getAttribute('src'), image.alt && image.alt !== title ? `${title}: ${image.alt}` : title]);
  };
  const openStage = (stage, image = null) => {
    const own = onStage(stage), entries = once([...own, ...listed()]);
    const wanted = image?.getAttribute('src') ?? stage.querySelector('.cx-after')?.getAttribute('src') ?? own[0]?.[0];
    if (!entries.length || !wanted) return;
    start({entries, at: Math.max(0, entries.findIndex(entry => key(entry) === wanted.split('?')[0]))});
  };
  document.addEventListener('click', event => {
    const target = event.target;
    const asking = target.closest?.('[data-closely]');
    if (asking) return openStage(asking.closest('.cx-stage'));
    const image = target.closest?.('.cx-is-done .cx-canvas img, .cx-is-stopped .cx-canvas img, .cx-sheet figure > img');
    if (image && !image.closest('.cx-true')) openStage(image.closest('.cx-stage'), image);
  });
  return {
    // Pictures of a result among those of all that are listed.
    look: own => {
      const entries = once(listed());
      start({entries, at: Math.max(0, entries.findIndex(entry => key(entry) === key(own[0])))});
    },
    compare: (one, other) => {
      const entries = once([one, other, ...listed()]);
      start({entries, kept: one, at: entries.findIndex(entry => key(entry) === key(other))});
    },
  };
})();
