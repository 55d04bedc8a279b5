import { locale } from '../texts/texts';

/** Numbers as a paper writes them. */
export function shownValue(value: unknown, format: string): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number') return typeof value === 'string' ? value : JSON.stringify(value);
  return rounded(value, format).replace(/^-/, '−').replace(/e-/, 'e−');
}

function rounded(value: number, format: string): string {
  if (format === 'integer') return value.toLocaleString(locale, { maximumFractionDigits: 0 });
  if (format === 'pvalue') return value < 0.0001 ? '< 0.0001' : value.toFixed(4);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(3);
  if (Number.isInteger(value)) return value.toLocaleString(locale);
  if (size >= 1000) return value.toLocaleString(locale, { maximumFractionDigits: 1 });
  const short = value.toPrecision(4);
  // Zeros at the end tell of digits that were measured; a plain 0.95 has none.
  return Number(short) === value ? String(value) : short;
}
