import { Checkbox, MultiSelect, NumberInput, Select, Stack, TextInput } from '@mantine/core';

import type { Variable } from '../api/client';
import type { Places } from './roles';


export interface Property {
  title?: string;
  description?: string;
  type?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  enum?: (string | number)[];
  properties?: Record<string, Property>;
  labels?: Record<string, string>;
  items?: { type?: string; minItems?: number; maxItems?: number };
  $ref?: string;
  allOf?: { $ref?: string }[];
  anyOf?: Property[];
  /** Where its choices come from: `y`, `x`, the whole `model`, or a role by its name. */
  level_of?: string;
  variables_of?: string | string[];
  variable_of?: string | string[];
  kinds?: ('numeric' | 'nominal')[];
}

export interface Schema {
  properties?: Record<string, Property>;
  required?: string[];
  $defs?: Record<string, Property>;
}

/** Choices shown at once; typing finds the others. */
const SHOWN = 100;
/** Sets that a form prepares: pairs of 100 variables, triples of 30. */
const PREPARED = 5000;

/** A form made of its declaration alone, such as that of an algorithm's parameters. */
export function ParameterForm({
  schema,
  places,
  datasets,
  values,
  problems,
  onChange,
}: {
  schema: Schema;
  places: Places;
  datasets: string[];
  values: Record<string, unknown>;
  problems: Record<string, string>;
  onChange: (values: Record<string, unknown>) => void;
}) {
  const set = (name: string, value: unknown) => {
    const rest = Object.fromEntries(Object.entries(values).filter(([key]) => key !== name));
    onChange(value === undefined ? rest : { ...rest, [name]: value });
  };
  return (
    <Stack gap="xs">
      {Object.entries(schema.properties ?? {}).map(([name, declared]) => {
        const property = resolved(declared, schema);
        const common = {
          size: 'xs' as const,
          label: property.title ?? name,
          description: property.description,
          error: problems[name],
          required: schema.required?.includes(name) ?? false,
        };
        const value = values[name] ?? property.default;
        if (property.level_of) {
          const variable = places[property.level_of]?.[0];
          return (
            <Select
              key={name}
              {...common}
              data={variable ? levelsOf(variable, datasets) : []}
              value={typeof value === 'string' ? value : null}
              onChange={(level) => set(name, level ?? undefined)}
            />
          );
        }
        if (property.variable_of) {
          return (
            <Select
              key={name}
              {...common}
              clearable={property.default === null}
              allowDeselect={property.default === null}
              searchable
              limit={SHOWN}
              data={offeredTo(property, property.variable_of, places)}
              value={typeof value === 'string' ? value : null}
              onChange={(code) => set(name, code ?? undefined)}
            />
          );
        }
        if (property.variables_of && property.items?.type === 'string') {
          const offered = offeredTo(property, property.variables_of, places);
          return offered.length ? (
            <MultiSelect
              key={name}
              {...common}
              searchable
              hidePickedOptions
              limit={SHOWN}
              data={offered}
              value={Array.isArray(value) ? value.filter((code) => offered.some((part) => part.value === code)) : []}
              onChange={(after) => set(name, after)}
            />
          ) : null;
        }
        if (property.variables_of) {
          const { minItems = 1, maxItems = 1 } = property.items ?? {};
          const sets = setsOf(variablesOf(property.variables_of, places), minItems, maxItems);
          const chosen = Array.isArray(value) ? value.map((part) => JSON.stringify(part)) : [];
          return sets.length ? (
            <MultiSelect
              key={name}
              {...common}
              searchable
              hidePickedOptions
              limit={SHOWN}
              data={sets}
              value={chosen.filter((part) => sets.some((known) => known.value === part))}
              onChange={(after) => set(name, after.map((part) => JSON.parse(part) as unknown))}
            />
          ) : null;
        }
        if (property.enum) {
          const codes = property.enum;
          return (
            <Select
              key={name}
              {...common}
              data={codes.map((code) => ({ value: String(code), label: property.labels?.[code] ?? String(code) }))}
              value={codes.some((code) => code === value) ? String(value) : null}
              allowDeselect={false}
              onChange={(chosen) => set(name, codes.find((code) => String(code) === chosen))}
            />
          );
        }
        if (property.type === 'boolean') {
          return (
            <Checkbox
              key={name}
              size="xs"
              label={common.label}
              description={common.description}
              error={common.error}
              checked={value === true}
              onChange={(event) => set(name, event.currentTarget.checked)}
            />
          );
        }
        if (property.type === 'integer' || property.type === 'number') {
          return (
            <NumberInput
              key={name}
              {...common}
              min={property.minimum ?? property.exclusiveMinimum}
              max={property.maximum ?? property.exclusiveMaximum}
              allowDecimal={property.type === 'number'}
              step={property.type === 'integer' ? 1 : 0.01}
              value={typeof value === 'number' ? value : ''}
              onChange={(number) => set(name, number === '' ? undefined : Number(number))}
            />
          );
        }
        return (
          <TextInput
            key={name}
            {...common}
            value={typeof value === 'string' ? value : ''}
            onChange={(event) => set(name, event.currentTarget.value || undefined)}
          />
        );
      })}
    </Stack>
  );
}

/** A property with what it refers to; of one that may be null, its other type. */
export function resolved(property: Property, schema: Schema): Property {
  const other = property.anyOf?.find((part) => part.type !== 'null');
  if (other) return { ...resolved(other, schema), ...property, anyOf: undefined };
  const reference = property.$ref ?? property.allOf?.[0]?.$ref;
  if (!reference) return property;
  return { ...schema.$defs?.[reference.replace('#/$defs/', '')], ...property };
}

/** The variables of these places, each once. */
function variablesOf(named: string | string[], places: Places): Variable[] {
  const found = (typeof named === 'string' ? [named] : named).flatMap((place) => places[place] ?? []);
  return [...new Map(found.map((variable) => [variable.code, variable])).values()];
}

function offeredTo(property: Property, named: string | string[], places: Places) {
  const kindOf = ({ type }: Variable) => (type === 'nominal' ? 'nominal' : type === 'text' ? null : 'numeric');
  return variablesOf(named, places)
    .filter((variable) => !property.kinds || property.kinds.some((kind) => kind === kindOf(variable)))
    .map((variable) => ({ value: variable.code, label: variable.label || variable.code }));
}

function levelsOf(variable: Variable, datasets: string[]) {
  if (variable.code === 'dataset') return datasets.map((code) => ({ value: code, label: code }));
  return variable.enumerations.map((level) => ({
    value: level.code,
    label: level.label === level.code ? level.code : `${level.label} (${level.code})`,
  }));
}

/**
 * Every set of so many of the variables, small sets first, in the variables' order. Sizes of which
 * there are too many are left out: a request by API or command line may name them all the same.
 */
export function setsOf(variables: Variable[], least: number, most: number) {
  const found: Variable[][] = [];
  const grow = (chosen: Variable[], from: number, size: number) => {
    if (chosen.length === size) found.push(chosen);
    else variables.slice(from).forEach((next, step) => grow([...chosen, next], from + step + 1, size));
  };
  for (let size = least; size <= Math.min(most, variables.length); size += 1) {
    if (found.length + choices(variables.length, size) > PREPARED) break;
    grow([], 0, size);
  }
  return found.map((set) => ({
    value: JSON.stringify(set.map((part) => part.code)),
    label: set.map((part) => part.label || part.code).join(' × '),
  }));
}

function choices(n: number, size: number): number {
  return size === 0 ? 1 : (choices(n - 1, size - 1) * n) / size;
}
