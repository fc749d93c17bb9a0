// Looks at pages in a browser: each is written into frames of several widths, and what a reader would see is measured.
// PAGES = [{name, html}, …] and WIDTHS stand before this; what was found is left in the document as URI-encoded JSON.
'use strict';

// Boxes are of glyphs' whole lines, which may touch.
const SLACK = 1.5;

// {text, boxes, element} of every text that is shown.
function visibleTexts(doc) {
  const walker = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT), texts = [];
  for (let node; (node = walker.nextNode());) {
    const element = node.parentElement, text = node.textContent.replace(/\s+/g, ' ').trim();
    if (!text || element.closest('title, desc, style, script')) continue;
    const style = doc.defaultView.getComputedStyle(element), range = doc.createRange();
    range.selectNodeContents(node);
    const boxes = [...range.getClientRects()].filter((b) => b.width > 0 && b.height > 0);
    if (style.visibility === 'hidden' || boxes.length === 0) continue;
    texts.push({text, boxes, element, style});
  }
  return texts;
}

function overlap(a, b) {
  return Math.min(a.right, b.right) - Math.max(a.left, b.left) > SLACK && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > SLACK;
}

function overlaps(texts) {
  const found = [];
  texts.forEach((a, i) => texts.slice(i + 1).forEach((b) => {
    if (a.boxes.some((x) => b.boxes.some((y) => overlap(x, y)))) found.push(`'${a.text}' and '${b.text}'`);
  }));
  return found;
}

// ---- colours ------------------------------------------------------------------------------------

function rgb(colour) {
  const parts = colour.match(/[\d.]+/g).map(Number);
  return {channels: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1};
}

function luminance(channels) {
  const [r, g, b] = channels.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function background(element) {
  for (let e = element; e; e = e.parentElement) {
    const {channels, alpha} = rgb(getComputedStyle(e).backgroundColor);
    if (alpha === 1) return channels;
  }
  return [255, 255, 255];
}

function contrast(colour, element) {
  const [a, b] = [luminance(rgb(colour).channels), luminance(background(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function faint(doc, texts) {
  const found = [];
  for (const {text, element, style} of texts) {
    const svg = element.closest('svg');
    const ratio = contrast(svg ? style.fill : style.color, element);
    if (ratio < 4.5) found.push(`'${text}': ${ratio.toFixed(2)}`);
  }
  for (const mark of doc.querySelectorAll('path, circle')) {
    const style = doc.defaultView.getComputedStyle(mark), ratio = contrast(mark.tagName === 'path' ? style.stroke : style.fill, mark);
    if (ratio < 3) found.push(`${mark.tagName}.${mark.getAttribute('class')}: ${ratio.toFixed(2)}`);
  }
  return found;
}

// ---- a page -------------------------------------------------------------------------------------

function repeated(doc) {
  const ids = [...doc.querySelectorAll('[id]')].map((e) => e.id);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
}

// Pictures without a title and a summary.
function unnamed(doc) {
  return [...doc.querySelectorAll('svg[role=img]')].filter((svg) =>
    svg.getAttribute('aria-labelledby').split(' ').some((id) => !(doc.getElementById(id) || {}).textContent)).length;
}

// What lies outside of the page, or of something that would have to be scrolled sideways.
function outside(doc, texts, width) {
  const found = texts.filter((t) => t.boxes.some((b) => b.left < -0.5 || b.right > width + 0.5)).map((t) => t.text);
  for (const e of doc.querySelectorAll('body, .scroll, .plot, dd'))
    if (e.scrollWidth > e.clientWidth + 1) found.push(`${e.tagName}.${e.className}: ${e.scrollWidth} in ${e.clientWidth}`);
  if (doc.documentElement.scrollWidth > width) found.push(`the page: ${doc.documentElement.scrollWidth} in ${width}`);
  return found;
}

function look(page, width) {
  const frame = document.createElement('iframe');
  frame.style = `width:${width}px;height:900px;border:0`;
  document.body.append(frame);
  const doc = frame.contentDocument;
  doc.open();
  doc.write(page.html);
  doc.close();
  const texts = visibleTexts(doc);
  const answer = {
    name: page.name, width, dark: frame.contentWindow.matchMedia('(prefers-color-scheme: dark)').matches,
    words: texts.map((t) => t.text), overlaps: overlaps(texts), faint: faint(doc, texts),
    outside: outside(doc, texts, doc.documentElement.clientWidth), repeated: repeated(doc), unnamed: unnamed(doc),
    strange: doc.querySelectorAll('script, img, iframe, a, link, object').length,
    circles: doc.querySelectorAll('circle').length, pictures: doc.querySelectorAll('svg[role=img]').length,
    colour: getComputedStyle(doc.body).backgroundColor,
  };
  frame.remove();
  return answer;
}

const found = [];
for (const page of PAGES) for (const width of WIDTHS) found.push(look(page, width));
const result = document.createElement('pre');
result.id = 'found';
result.textContent = encodeURIComponent(JSON.stringify(found));
document.body.replaceChildren(result);
