import { locale } from '../texts/texts';

/** A whole number as people write it. */
export function number(value: number): string {
  return value.toLocaleString(locale);
}

/** A number with so many digits after the decimal mark. */
export function decimal(value: number, digits: number): string {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The decimal mark of the language, and what stands between thousands. */
export function marks(): { decimal: string; thousands: string } {
  const parts = new Intl.NumberFormat(locale, { useGrouping: 'always' }).formatToParts(1234567.5);
  const mark = (type: string, otherwise: string) => parts.find((part) => part.type === type)?.value ?? otherwise;
  return { decimal: mark('decimal', '.'), thousands: mark('group', ',') };
}
