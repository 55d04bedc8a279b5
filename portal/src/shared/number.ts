import { locale } from '../texts/texts';

/** A whole number as people write it. */
export function number(value: number): string {
  return value.toLocaleString(locale);
}

/** A number with so many digits after the decimal mark. */
export function decimal(value: number, digits: number): string {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
