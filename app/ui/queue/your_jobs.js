// The list of the visitor's jobs: hands on what is asked for, keeps the title and the icon of the browser's tab, and tells
// by a notification that a job has ended, where the visitor has asked for that. Nothing here makes a sound.
const OPEN = 'crossmax-studio-jobs-open', NOTIFY = 'crossmax-studio-notify';
const plain = document.title, plainIcon = new URL('favicon.ico', document.baseURI).href;
const kept = name => { try { return localStorage.getItem(name) === 'yes'; } catch { return false; } };
const keep = (name, on) => {
  try { if (on) localStorage.setItem(name, 'yes'); else localStorage.removeItem(name); } catch { /* keeps nothing */ }
};
let open = kept(OPEN), focused = '', shownShare = '', known = new Set();
const quiet = new Set();  // what the visitor ends on this page is no news

const drawIcon = share => {
  let link = document.querySelector('link[rel~="icon"]');
  if (!link) {
    link = document.head.appendChild(document.createElement('link'));
    link.rel = 'icon';
  }
  if (share === '') { link.href = plainIcon; return; }
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 32;
  const pen = canvas.getContext('2d');
  pen.lineWidth = 7;
  pen.strokeStyle = '#c6d0c9';
  pen.beginPath(); pen.arc(16, 16, 12, 0, 2 * Math.PI); pen.stroke();
  pen.strokeStyle = '#0a6b4e';
  pen.beginPath(); pen.arc(16, 16, 12, -Math.PI / 2, (2 * (parseInt(share) || 0) / 100 - 0.5) * Math.PI); pen.stroke();
  link.href = canvas.toDataURL();
};

const tell = section => {
  const ended = JSON.parse(section.dataset.ended || '{}');
  const now = new Set([...section.querySelectorAll('li[data-queued]')].map(line => line.dataset.queued));
  for (const id of known) {
    if (now.has(id) || quiet.has(id) || !ended[id] || !kept(NOTIFY)) continue;
    if (window.Notification?.permission !== 'granted') continue;
    const [title, word] = ended[id];
    new Notification(`${title}: ${word}`, {body: plain, tag: id, silent: true});
  }
  known = now;
};

const show = () => {
  const section = element.querySelector('.cx-queue');
  if (!section) return;
  const details = section.querySelector('details'), box = section.querySelector('[data-notify]');
  if (details.open !== open) details.open = open;  // what the server sends is closed
  box.checked = kept(NOTIFY) && window.Notification?.permission === 'granted';
  box.disabled = !window.Notification;
  const {share} = section.dataset;
  const title = share === '' ? plain : `${share === '?' ? '…' : `${share} %`} · ${plain}`;
  if (document.title !== title) document.title = title;
  if (share !== shownShare) drawIcon(share);
  shownShare = share;
  tell(section);
  // The list is drawn anew while it changes: whoever is in it with the keyboard stays where they were.
  if (focused && document.activeElement === document.body) element.querySelector(focused)?.focus({preventScroll: true});
};

element.addEventListener('focusin', event => {
  const {act, id} = event.target.dataset ?? {};
  focused = act ? `button[data-act="${act}"][data-id="${id}"]` : event.target.tagName === 'SUMMARY' ? 'summary'
    : event.target.matches('[data-notify]') ? '[data-notify]' : '';
});
document.addEventListener('pointerdown', event => { if (!element.contains(event.target)) focused = ''; });
document.addEventListener('focusin', event => { if (!element.contains(event.target)) focused = ''; });
element.addEventListener('click', event => {
  if (event.target.closest('summary')) {  // also by the keyboard, before it opens or closes
    open = !element.querySelector('details').open;
    keep(OPEN, open);
    return;
  }
  const button = event.target.closest('button[data-act]');
  if (!button || button.disabled) return;
  if (button.dataset.act === 'stop') quiet.add(button.dataset.id);
  trigger('select', {act: button.dataset.act, id: button.dataset.id});
  if (button.dataset.act !== 'show') return;
  if (button.closest('li').dataset.kind === 'evaluate') window.cxEvaluation(true); else window.cxToTop();
});
element.addEventListener('change', async event => {
  if (!event.target.matches('[data-notify]')) return;
  const wanted = event.target.checked;
  keep(NOTIFY, wanted && await Notification.requestPermission() === 'granted');
  show();
});
new MutationObserver(show).observe(element, {childList: true, subtree: true, attributes: true, characterData: true});
show();
