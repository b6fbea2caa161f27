// Runs when the painter of `app.ui.widgets.mask` appears. `props.value` is what it was given, and what the page sends.
const canvas = element.querySelector('canvas');
const frame = element.querySelector('.cx-paint-frame');
const photo = frame.querySelector('img');
const cursor = frame.querySelector('.cx-pen');
const width = element.querySelector('input');
const pen = canvas.getContext('2d', {willReadFrequently: true});
const COLOUR = [242, 183, 5];
const TALLEST = 420;
const MOST_UNDONE = 20;
let erasing = false, last = null, drawn = null, past = [];
let place = {x: 0, y: 0};

const brush = () => Math.max(2, (width.value / 100) * Math.max(canvas.width, canvas.height));
const isEmpty = () => !pen.getImageData(0, 0, canvas.width, canvas.height).data.some((value, i) => i % 4 === 3 && value);
const remember = () => { past = [...past, pen.getImageData(0, 0, canvas.width, canvas.height)].slice(-MOST_UNDONE); };

// What is on the canvas counts from now on, and no longer the mask that was restored.
const tell = () => {
  drawn = isEmpty() ? '' : canvas.toDataURL('image/png');
  props.value = {...props.value, painted: drawn, mask: '', kept: ''};
};

// A mask is white where it is painted, a canvas opaque: both become paint.
const lay = (picture, opaque) => {
  const layer = document.createElement('canvas');
  layer.width = canvas.width;
  layer.height = canvas.height;
  const ink = layer.getContext('2d');
  ink.drawImage(picture, 0, 0, layer.width, layer.height);
  const pixels = ink.getImageData(0, 0, layer.width, layer.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const on = pixels.data[i + (opaque ? 3 : 0)] >= 128;
    pixels.data.set([...COLOUR, on ? 255 : 0], i);
  }
  ink.putImageData(pixels, 0, 0);
  pen.drawImage(layer, 0, 0);
};

const load = () => {
  const held = props.value || {};
  if (held.painted && held.painted === drawn) return;
  drawn = held.painted || '';
  past = [];
  delete canvas.dataset.ready;
  if (!held.photo) return;
  photo.src = held.photo;
  canvas.width = held.width;
  canvas.height = held.height;
  frame.style.maxWidth = `${(TALLEST * held.width) / held.height}px`;
  frame.style.aspectRatio = `${held.width} / ${held.height}`;
  place = {x: held.width / 2, y: held.height / 2};
  const address = held.painted || held.mask;
  if (!address) {
    canvas.dataset.ready = 'true';
    return;
  }
  const picture = new Image();
  picture.onload = () => {
    if ((props.value || {}).photo !== held.photo) return;
    lay(picture, Boolean(held.painted));
    canvas.dataset.ready = 'true';
  };
  picture.src = address;
};

const stroke = (from, to) => {
  pen.globalCompositeOperation = erasing ? 'destination-out' : 'source-over';
  pen.strokeStyle = `rgb(${COLOUR})`;
  pen.lineCap = pen.lineJoin = 'round';
  pen.lineWidth = brush();
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(to.x + 0.01, to.y);
  pen.stroke();
  pen.globalCompositeOperation = 'source-over';
};

const at = event => {
  const box = canvas.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * canvas.width) / box.width,
    y: ((event.clientY - box.top) * canvas.height) / box.height,
  };
};

const showCursor = () => {
  cursor.style.left = `${(100 * place.x) / canvas.width}%`;
  cursor.style.top = `${(100 * place.y) / canvas.height}%`;
  cursor.style.width = `${(100 * brush()) / canvas.width}%`;
};

canvas.addEventListener('pointerdown', event => {
  if (event.button !== 0) return;
  canvas.setPointerCapture(event.pointerId);
  remember();
  last = at(event);
  stroke(last, last);
});
canvas.addEventListener('pointermove', event => {
  if (!last) return;
  const next = at(event);
  stroke(last, next);
  last = place = next;
});
for (const end of ['pointerup', 'pointercancel']) {
  canvas.addEventListener(end, () => {
    if (!last) return;
    last = null;
    tell();
  });
}
canvas.addEventListener('keydown', event => {
  const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (!way && event.key !== ' ') return;
  event.preventDefault();
  if (way) {
    const step = brush() / 2;
    place = {
      x: Math.min(canvas.width, Math.max(0, place.x + way[0] * step)),
      y: Math.min(canvas.height, Math.max(0, place.y + way[1] * step)),
    };
  } else {
    remember();
    stroke(place, place);
    tell();
  }
  showCursor();
});
canvas.addEventListener('focus', showCursor);
width.addEventListener('input', showCursor);

element.addEventListener('click', event => {
  const button = event.target.closest('[data-do]');
  if (!button) return;
  const what = button.dataset.do;
  if (what === 'paint' || what === 'erase') {
    erasing = what === 'erase';
    for (const one of element.querySelectorAll('[data-do=paint], [data-do=erase]')) {
      one.setAttribute('aria-pressed', String((one.dataset.do === 'erase') === erasing));
    }
  } else if (what === 'undo' && past.length) {
    pen.putImageData(past.pop(), 0, 0);
    tell();
  } else if (what === 'clear') {
    remember();
    pen.clearRect(0, 0, canvas.width, canvas.height);
    tell();
  }
});

watch('value', load);
load();
