import type { CohortFlow, Experiment } from '../api/client';
import { number } from '../shared/number';
import { texts } from '../texts/texts';

const t = texts.cohort;

/** A box of a flow chart, and what stands beside the line that leads to it. */
export interface Box {
  title: string;
  count: string;
  excluded: { count: string; why: string } | null;
}

/** The boxes from all patients to the cohort; with a result, the last one is of whom it analysed. */
export function boxesOf(flow: CohortFlow, provenance: Experiment['provenance'] | null = null): Box[] {
  const boxes = flow.steps.map(({ words, patients, excluded }, place): Box => {
    const last = flow.complete && place === flow.steps.length - 1;
    return {
      title: place === 0 ? t.assessed : t.left,
      count: patients === null ? t.few(flow.minimum) : t.about(number(patients)),
      excluded: place === 0 ? null : { count: out(excluded), why: last ? t.missing : t.unlike(words) },
    };
  });
  if (!provenance) return boxes;
  const { patients, records, excluded } = provenance;
  const told = [t.patients(number(patients)), ...(records === patients ? [] : [t.records(number(records))])];
  const without = excluded > 0 ? { count: t.records(number(excluded)), why: t.missing } : null;
  return [...boxes, { title: t.analysed, count: told.join(', '), excluded: without }];
}

function out(excluded: number | null): string {
  if (excluded === null) return t.hidden;
  return excluded === 0 ? t.unclear : t.about(number(excluded));
}

const WIDTH = 640;
const BOX = 280;
const LINE = 17;
const PAD = 12;
const GAP = 26;
/** Letters that a box takes in one line, at 13 pixels. */
const LETTERS = 38;

/** The chart as a picture in black and white, as a journal prints it. */
export function flowSvg(boxes: Box[]): string {
  const parts: string[] = [];
  let top = 1;
  const middle = BOX / 2 + 1;
  boxes.forEach(({ title, count, excluded }, place) => {
    if (place > 0) {
      const side = excluded ? wrapped(`${t.excluded}: ${excluded.count}, ${excluded.why}`) : [];
      const height = side.length ? heightOf(side) : 0;
      const end = top + height + 2 * GAP;
      parts.push(`<path d="M${middle} ${top}V${end}" marker-end="url(#tip)"/>`);
      if (side.length) {
        parts.push(`<path d="M${middle} ${top + GAP + height / 2}H${WIDTH - BOX - 1}" marker-end="url(#tip)"/>`);
        parts.push(drawn(side, WIDTH - BOX - 1, top + GAP));
      }
      top = end;
    }
    const lines = [...wrapped(title), ...wrapped(count)];
    parts.push(drawn(lines, 1, top));
    top += heightOf(lines);
  });
  const size = `width="${WIDTH}" height="${top + 1}" viewBox="0 0 ${WIDTH} ${top + 1}"`;
  const tip = '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="black" stroke="none"/></marker>';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="Arial, Helvetica, sans-serif" font-size="13" fill="none" stroke="black"><defs>${tip}</defs><rect width="100%" height="100%" fill="white" stroke="none"/>${parts.join('')}</svg>`;
}

function drawn(lines: string[], x: number, y: number): string {
  const text = lines.map(
    (line, place) => `<text x="${x + PAD}" y="${y + PAD + 12 + place * LINE}" fill="black" stroke="none">${escaped(line)}</text>`,
  );
  return `<rect x="${x}" y="${y}" width="${BOX}" height="${heightOf(lines)}"/>${text.join('')}`;
}

function heightOf(lines: string[]): number {
  return lines.length * LINE + 2 * PAD;
}

function wrapped(text: string): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1] ?? '';
    if (last && last.length + word.length >= LETTERS) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return lines;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
