import { decimal, number } from '../shared/number';
import { locale } from '../texts/texts';

/** Numbers as a paper writes them. */
export function shownValue(value: unknown, format: string): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number') return typeof value === 'string' ? value : JSON.stringify(value);
  return rounded(value, format).replace(/^-/, '−').replace(/e-/, 'e−');
}

function rounded(value: number, format: string): string {
  if (format === 'integer') return decimal(value, 0);
  if (format === 'pvalue') return value < 0.0001 ? `< ${decimal(0.0001, 4)}` : decimal(value, 4);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(3).split('e');
    return `${decimal(Number(mantissa), 3)}e${exponent}`;
  }
  if (Number.isInteger(value)) return number(value);
  if (size >= 1000) return value.toLocaleString(locale, { maximumFractionDigits: 1 });
  // Zeros at the end tell of digits that were measured; a plain 0.95 has none.
  const plain = Number(value.toPrecision(4)) === value;
  return value.toLocaleString(locale, { minimumSignificantDigits: plain ? 1 : 4, maximumSignificantDigits: 4 });
}
