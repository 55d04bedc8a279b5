import { CloseButton, Group, Select, Stack, TagsInput, Text } from '@mantine/core';

import type { AlgorithmEntry } from '../api/client';
import { texts } from '../texts/texts';
import { type Property, resolved, type Schema } from './ParameterForm';

const t = texts.grid;
export type Grid = Record<string, unknown[]>;

/** Parameters whose value the validation chooses among those given here. */
export function GridField({
  algorithm,
  grid,
  problem,
  onChange,
}: {
  algorithm: AlgorithmEntry;
  grid: Grid;
  problem?: string;
  onChange: (grid: Grid) => void;
}) {
  const offered = learnable(algorithm);
  if (!offered.size) return null;
  const left = [...offered].filter(([name]) => !(name in grid));
  return (
    <Stack gap="xs">
      {Object.entries(grid).map(([name, values]) => {
        const property = offered.get(name);
        if (!property) return null;
        const title = property.title ?? name;
        return (
          <Group key={name} gap={4} wrap="nowrap" align="flex-end">
            <TagsInput
              size="xs"
              flex={1}
              label={t.values(title)}
              placeholder={values.length ? undefined : t.hint}
              data={(property.enum ?? []).map(String)}
              value={values.map(String)}
              splitChars={[',', ';', ' ']}
              onChange={(typed) => onChange({ ...grid, [name]: valuesOf(typed, property) })}
            />
            <CloseButton
              size="sm"
              aria-label={t.remove(title)}
              onClick={() => onChange(Object.fromEntries(Object.entries(grid).filter(([other]) => other !== name)))}
            />
          </Group>
        );
      })}
      {left.length > 0 && (
        <Select
          size="xs"
          label={t.title}
          description={t.about}
          placeholder={t.add}
          data={left.map(([name, property]) => ({ value: name, label: property.title ?? name }))}
          value={null}
          onChange={(name) => {
            if (name) onChange({ ...grid, [name]: [] });
          }}
        />
      )}
      {problem && (
        <Text size="xs" c="red" role="alert">
          {problem}
        </Text>
      )}
    </Stack>
  );
}

/** The parameters that a search may choose: numbers, whole numbers, and choices among a few. */
export function learnable(algorithm: AlgorithmEntry): Map<string, Property> {
  const schema = algorithm.parameters as Schema;
  return new Map(
    Object.entries(schema.properties ?? {}).flatMap(([name, declared]) => {
      const property = resolved(declared, schema);
      const named = property.level_of ?? property.variable_of ?? property.variables_of;
      const simple = property.enum !== undefined || property.type === 'number' || property.type === 'integer';
      return simple && !named && name !== 'confidence' && name !== 'seed' ? [[name, property] as const] : [];
    }),
  );
}

/** The values that are typed, each once; what is no value of the parameter is left out. */
function valuesOf(typed: string[], property: Property): unknown[] {
  const { enum: codes, type } = property;
  if (codes) return codes.filter((code) => typed.includes(String(code)));
  const numbers = typed.flatMap((text) => text.split(/[,;\s]+/)).filter(Boolean).map(Number);
  const fits = (number: number) => Number.isFinite(number) && (type !== 'integer' || Number.isInteger(number));
  return [...new Set(numbers.filter(fits))];
}

/** A grid without the parameters that have no value yet. */
export function filled(grid: Grid): Grid {
  return Object.fromEntries(Object.entries(grid).filter(([, values]) => values.length > 0));
}
