import type { TableView } from '../api/client';

/** What a spreadsheet takes for the beginning of a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** A table as lines of cells with tabs between, as spreadsheets take it from the clipboard. */
export function asTsv(table: TableView): string {
  return lines(table, (cell) => cell.replace(/[\t\r\n]+/g, ' '), '\t').join('\n');
}

/** A table as a CSV file, after RFC 4180. */
export function asCsv(table: TableView): string {
  const quoted = (cell: string) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return lines(table, quoted, ',')
    .map((line) => `${line}\r\n`)
    .join('');
}

/** A table as a JSON file: its title, and its rows by the columns' keys. */
export function asJson({ title, note, columns, rows }: TableView): string {
  return JSON.stringify({ title, note, columns, rows }, null, 2);
}

function lines({ columns, rows }: TableView, written: (cell: string) => string, between: string): string[] {
  const head = columns.map((column) => written(harmless(column.label))).join(between);
  return [head, ...rows.map((row) => columns.map(({ key }) => written(plain(row[key]))).join(between))];
}

/** A value to the last digit. */
function plain(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? harmless(value) : JSON.stringify(value);
}

/** A text that no spreadsheet runs: an apostrophe stands before what would begin a formula, and is no number. */
function harmless(text: string): string {
  return FORMULA.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
}
