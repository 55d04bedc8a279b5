import type { Group, ModelTree, Variable } from '../api/client';
// One list for the portal, which searches at every key, and for the server (catalogue/search.py).
import listed from '../../../src/medmip/catalogue/synonyms.json';
import { texts } from '../texts/texts';
import { lineOf, type Node } from './variables';

type Place = keyof typeof texts.explore.places;

/** One text of a variable, as it was written and as it is compared: words between single spaces. */
interface Field {
  place: Place;
  parts: readonly string[];
  words: string;
}

interface Entry {
  variable: Variable;
  path: readonly string[];
  fields: readonly Field[];
}

export type Index = readonly Entry[];

/** What was typed for one thing, and the other words that mean it. */
interface Term {
  typed: string;
  spellings: readonly string[];
}

/** Where a term was found: in which text, by which spelling, how well. */
interface Found {
  term: Term;
  field: Field;
  spelling: string;
  score: number;
}

export interface Hit {
  variable: Variable;
  path: readonly string[];
  score: number;
  found: readonly Found[];
}

/** How much a hit in each text is worth; a whole text, a whole word, a beginning, a piece of one. */
const WORTH: Record<Place, number> = { label: 100, code: 80, level: 45, group: 40, units: 30, description: 25 };
const MANNER = { whole: 1.5, word: 1, beginning: 0.8, piece: 0.5 };
const SYNONYM = 0.9;
const SETTLED = WORTH.label * SYNONYM;
/** Spellings no longer than this are words of their own or nothing: "gm" is no part of "sigma". */
const SHORT = 3;
/** From so many letters on, the beginning of a synonym stands for it. */
const TELLING = 4;
/** Words of the field that mean the same, in English, German and French, each line a meaning. */
export const SYNONYMS: readonly (readonly string[])[] = Object.values(listed).flat();
const LONGEST = Math.max(...SYNONYMS.flat().map((spelling) => spelling.split(' ').length));

/** Words in small letters without accents, between single spaces. */
export function plain(text: string): string {
  return text
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .replace(/[^\p{Letter}\p{Number}]+/gu, ' ')
    .trim();
}

/** What is compared of each variable of a model; made once, searched at every key. */
export function indexOf(model: ModelTree): Index {
  return placed(model.groups, model.variables, []).map(({ variable, path }) => {
    const field = (place: Place, parts: readonly string[]): Field => ({ place, parts, words: ` ${parts.map(plain).join(' ')} ` });
    return {
      variable,
      path,
      fields: [
        field('label', [variable.label || variable.code]),
        field('code', [variable.code]),
        field('level', variable.enumerations.flatMap((level) => (level.label === level.code ? [level.code] : [level.label, level.code]))),
        field('group', path),
        field('units', variable.units ? [variable.units] : []),
        field('description', [variable.description]),
      ].filter((one) => one.words.trim() !== ''),
    };
  });
}

function placed(groups: readonly Group[], variables: readonly Variable[], path: readonly string[]): Pick<Entry, 'variable' | 'path'>[] {
  return [
    ...groups.flatMap((group) => placed(group.groups, group.variables, [...path, group.label || group.code])),
    ...variables.map((variable) => ({ variable, path })),
  ];
}

/** What is meant by each part of what was typed; a phrase of several words may be one meaning. */
export function termsOf(typed: string): Term[] {
  const words = plain(typed).split(' ').filter(Boolean);
  const terms: Term[] = [];
  for (let at = 0; at < words.length; ) {
    const { length, others } = meaning(words, at);
    const text = words.slice(at, at + length).join(' ');
    terms.push({ typed: text, spellings: [text, ...others.filter((spelling) => spelling !== text)] });
    at += length;
  }
  return terms;
}

function meaning(words: readonly string[], at: number): { length: number; others: string[] } {
  for (let length = Math.min(LONGEST, words.length - at); length > 0; length -= 1) {
    const phrase = words.slice(at, at + length).join(' ');
    const last = at + length === words.length;
    const others = SYNONYMS.filter((group) =>
      group.some((spelling) => spelling === phrase || (last && phrase.length >= TELLING && spelling.startsWith(phrase))),
    ).flat();
    if (others.length > 0) return { length, others };
  }
  return { length: 1, others: [] };
}

/**
 * The variables that have everything that was typed, the best first, and where each has it.
 *
 * examined is called for each text that is compared with a spelling, so that the work can be counted.
 */
export function search(index: Index, typed: string, examined: () => void = () => undefined): Hit[] {
  const terms = termsOf(typed);
  const hits: Hit[] = [];
  for (const { variable, path, fields } of index) {
    const found: Found[] = [];
    for (const term of terms) {
      const best = bestOf(term, fields, examined);
      if (!best) break;
      found.push(best);
    }
    if (found.length < terms.length || terms.length === 0) continue;
    hits.push({ variable, path, found, score: found.reduce((sum, one) => sum + one.score, 0) });
  }
  return hits.sort((a, b) => b.score - a.score);
}

function bestOf(term: Term, fields: readonly Field[], examined: () => void): Found | undefined {
  let best: Found | undefined;
  for (const field of fields) {
    // Fields stand in falling worth, and nothing beats a word of the name by much.
    if (best && best.score >= SETTLED) break;
    for (const spelling of term.spellings) {
      examined();
      const own = spelling === term.typed;
      const manner = mannerOf(spelling, own, field.words);
      if (!manner) continue;
      // A quarter of a text and three quarters of one differ; left and right do not.
      const close = Math.round((4 * spelling.length) / field.words.length);
      const score = (WORTH[field.place] * MANNER[manner] + close * 3) * (own ? 1 : SYNONYM);
      if (!best || score > best.score) best = { term, field, spelling, score };
    }
  }
  return best;
}

function mannerOf(spelling: string, own: boolean, words: string): keyof typeof MANNER | undefined {
  if (!words.includes(spelling)) return undefined;
  if (words === ` ${spelling} `) return 'whole';
  if (words.includes(` ${spelling} `)) return 'word';
  if (!own && spelling.length <= SHORT) return undefined;
  if (words.includes(` ${spelling}`)) return 'beginning';
  return spelling.length >= SHORT ? 'piece' : undefined;
}

/** A hit as a line of the list: where the variable is, and by what it was found; told when it is drawn. */
export function asLine({ variable, path, found }: Hit): Node {
  return {
    ...lineOf(variable),
    get reason() {
      return [path.join(' › '), ...new Set(found.flatMap(reasonOf))].filter(Boolean).join(' · ');
    },
    get marked() {
      return found.filter(({ field }) => field.place === 'label').map(({ spelling }) => spelling);
    },
  };
}

function reasonOf({ field, spelling, term }: Found): string[] {
  if (field.place === 'label' && spelling === term.typed) return [];
  const t = texts.explore;
  const what = passage(field, spelling);
  return [t.reason(t.places[field.place], spelling === term.typed ? what : t.synonym(term.typed, what))];
}

/** The part of a text that a spelling was found in, as it was written, with a few words around it. */
function passage({ parts, place }: Field, spelling: string): string {
  if (place === 'label') return spelling;
  const part = parts.find((one) => plain(one).includes(spelling)) ?? parts.join(' ');
  if (place !== 'description') return part;
  const words = part.split(/\s+/);
  const first = spelling.split(' ')[0] ?? '';
  const at = Math.max(0, words.findIndex((word) => plain(word).includes(first)));
  const cut = words.slice(Math.max(0, at - 2), at + 4).join(' ');
  return `${at > 2 ? '… ' : ''}${cut}${at + 4 < words.length ? ' …' : ''}`;
}
