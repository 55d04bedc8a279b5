import { locale } from '../texts/texts';

/** A whole number as people write it. */
export function number(value: number): string {
  return value.toLocaleString(locale);
}
