import type { TableView } from '../api/client';

export interface Order {
  key: string;
  descending: boolean;
}

type Row = TableView['rows'][number];

/** The order after a column's head was pressed: rising, falling, then as the result has it. */
export function pressed(before: Order | null, key: string): Order | null {
  if (before?.key !== key) return { key, descending: false };
  return before.descending ? null : { key, descending: true };
}

/** Rows in an order; what has no value stands last, whichever way. */
export function ordered(rows: readonly Row[], order: Order | null): readonly Row[] {
  if (!order) return rows;
  const sign = order.descending ? -1 : 1;
  const ranked = rows.map((row) => ({ row, value: comparable(row[order.key]) }));
  ranked.sort(({ value: one }, { value: other }) => {
    if (one === null || other === null) return Number(one === null) - Number(other === null);
    if (typeof one === 'number' && typeof other === 'number') return sign * (one - other);
    if (typeof one === 'string' && typeof other === 'string') return sign * one.localeCompare(other, 'en', { numeric: true });
    return sign * (typeof one === 'number' ? -1 : 1);
  });
  return ranked.map(({ row }) => row);
}

/** A value as it is ranked: infinities by their names, what is withheld as if it were not there. */
function comparable(value: unknown): number | string | null {
  if (value === '∞') return Infinity;
  if (value === '−∞') return -Infinity;
  if (value === 'hidden' || value === '' || value === null || value === undefined) return null;
  if (typeof value === 'boolean') return Number(value);
  return typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value);
}
