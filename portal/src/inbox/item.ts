import type { Choice, InboxEntry, ReadingOptions } from '../api/data';
import { locale, texts } from '../texts/texts';

const t = texts.inbox;

/** Nothing said: all of it is detected. */
export const DETECTED: ReadingOptions = {
  delimiter: null,
  encoding: null,
  decimal: null,
  quote: null,
  missing: ['', 'NA', 'N/A', 'n/a', '#N/A', 'NaN', 'nan', 'NULL', 'null'],
  sheet: null,
  memory: '1GB',
};

const MOVING = new Set(['arriving', 'looking', 'publishing']);

/** Whether something is being done with an item, so that nothing can be asked of it now. */
export function isMoving(item: InboxEntry): boolean {
  return MOVING.has(item.state);
}

/** Rows of all its tables, with those that cannot be split into cells. */
export function rowsOf(item: InboxEntry): number {
  return item.tables.reduce((sum, table) => sum + table.rows + table.split, 0);
}

/** Which mapping it is read through, in words. */
export function kindOf(item: InboxEntry): string {
  if (item.kind === '') return t.asItIs;
  return item.kind === 'own' ? t.own : item.kind;
}

/** What is wrong with it, in short. */
export function problemsOf(item: InboxEntry): string {
  if (item.trouble) return item.trouble.detail;
  const count = item.problems.reduce((sum, problem) => sum + problem.count, 0);
  return count > 0 ? count.toLocaleString(locale) : '';
}

/** A dataset's code made of a file's name. */
export function codeFor(name: string): string {
  return name
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);
}

/** Where a person begins who says how a file is read: what is chosen, or what seems likely. */
export function firstChoice(item: InboxEntry, models: string[]): Choice {
  if (item.choice) return item.choice;
  const names = item.tables.flatMap((table) => table.columns.map((column) => column.name));
  return {
    model: item.fits[0]?.model ?? models[0] ?? '',
    dataset: names.includes('dataset') ? null : codeFor(item.name) || null,
    mapping: null,
    others: [],
    options: DETECTED,
    synthetic: false,
  };
}
