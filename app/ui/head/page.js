// Ways to a place of the page: at once for whoever asks for less motion.
window.cxShow = (element, block = 'start') => element?.scrollIntoView({
  behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth', block,
});
// The photo that a picture became, or the head of the page above the form that one filled in.
window.cxToTaken = () => {
  const taken = ['text-source-chosen', 'attack-chosen'].map(id => document.getElementById(id)).find(one => one?.offsetParent);
  if (taken?.querySelector('[data-digest]')) window.cxShow(taken, 'center'); else window.cxToTop();
};
window.cxToTop = () => window.cxShow(document.querySelector('.gradio-container'));
// Brings the stage, or why there is nothing on it, into view on narrow screens, where it stands above the button
// that was pressed.
window.cxShowStage = kind => {
  const stage = document.getElementById(kind + '-stage');
  const refusal = stage?.closest('.cx-stage-column')?.querySelector('.cx-notice-area .cx-bad');
  const shown = refusal ?? stage;
  if (shown && shown.getBoundingClientRect().top < 0) window.cxShow(shown);
};
// The framework calls the buttons that take one of several choices away by their number.
new MutationObserver(() => {
  for (const remover of document.querySelectorAll('.token-remove:not([data-named])')) {
    remover.dataset.named = '';
    const token = remover.closest('.token');
    const name = token ? `Remove ${token.textContent.trim()}` : 'Remove all';
    remover.setAttribute('aria-label', name);
    remover.setAttribute('title', name);
  }
}).observe(document.documentElement, {childList: true, subtree: true});
// Lists of jobs are drawn anew as these go on. A button that is exchanged for its like between the pointer's way down and
// up gets no click from the browser: it is given one.
let pressed = null;
document.addEventListener('pointerdown', event => { pressed = event.target.closest?.('button[data-act]') ?? null; });
document.addEventListener('pointerup', event => {
  const button = event.target.closest?.('button[data-act]'), before = pressed;
  pressed = null;
  if (!before || !button || before.isConnected || event.button !== 0) return;
  if (button.dataset.act === before.dataset.act && button.dataset.id === before.dataset.id) button.click();
});
// Files that are dropped or pasted anywhere on the page are opened by it, and never by the browser in its place.
const openFiles = files => {
  const input = document.getElementById('page-drop')?.previousElementSibling;  // a button has its field before it
  if (input?.type !== 'file' || !files.length) return;
  input.files = files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
};
const carriesFiles = event => [...(event.dataTransfer?.types ?? [])].includes('Files');
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, event => {
    if (event.defaultPrevented || !carriesFiles(event)) return;
    event.preventDefault();
    document.documentElement.classList.toggle('cx-dropping', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop') openFiles(event.dataTransfer.files);
  });
}
// The tab that is open, by the kind of its jobs.
window.cxTab = () => ['text', 'image', 'attack'].find(kind => document.getElementById(`${kind}-stage`)?.offsetParent) ?? '';
// The recipe of a link to the page, once: what is changed afterwards is not undone by a reload.
const LINK = '#recipe=';
window.cxLink = () => {
  if (!location.hash.startsWith(LINK)) return '';
  const letters = location.hash.slice(LINK.length);
  history.replaceState(null, '', location.pathname + location.search);
  try { return decodeURIComponent(letters); } catch { return letters; }
};
addEventListener('hashchange', () => { if (location.hash.startsWith(LINK)) location.reload(); });
document.addEventListener('paste', event => {
  const carried = event.clipboardData;
  const writing = event.target.closest?.('input, textarea') && carried?.types.includes('text/plain');
  if (event.defaultPrevented || writing || !carried?.files.length) return;
  event.preventDefault();
  openFiles(carried.files);
});
