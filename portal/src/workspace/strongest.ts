export interface Relation {
  code: string;
  r: number;
}

/** The strongest of one variable's correlations; those that could not be told are left out. */
export function strongest(result: unknown, most: number): Relation[] {
  const { columns, correlations } = result as { columns: string[]; correlations: (number | null)[][] };
  const told = columns.flatMap((code, place) => {
    const r = correlations[0]?.[place] ?? null;
    return r === null ? [] : [{ code, r }];
  });
  return told.sort((one, other) => Math.abs(other.r) - Math.abs(one.r)).slice(0, most);
}
