import { Checkbox, Select, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { api, type Preparation, type Variable } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { ParameterForm, resolved, type Schema } from './ParameterForm';
import type { Places } from './roles';

const t = texts.preparation;
const FIRST = 'first';
/** Joins the codes of two visits; no code holds it. */
const BETWEEN = '\n';
type Part = keyof Preparation;
type Taken = NonNullable<NonNullable<Preparation['longitudinal']>['taken']>[number];

/** What is done to the records before the analysis, part after part. */
export function PreparationField({
  places,
  datasets,
  longitudinal,
  value,
  problems,
  onChange,
}: {
  places: Places;
  datasets: string[];
  longitudinal: boolean;
  value: Preparation | null;
  problems: Record<string, string>;
  onChange: (value: Preparation | null) => void;
}) {
  const declared = useQuery({ queryKey: ['preparation'], queryFn: api.preparation, staleTime: Infinity });
  if (!declared.data) {
    return declared.isPending ? <Loading /> : <ProblemAlert error={declared.error} onRetry={() => void declared.refetch()} />;
  }
  const whole = declared.data as Schema;
  const parts = Object.entries(whole.properties ?? {}).filter(([name]) => longitudinal || name !== 'longitudinal');
  const put = (name: string, part: object | null) => {
    const after = { ...value, [name]: part };
    onChange(Object.values(after).some(Boolean) ? after : null);
  };
  return (
    <Stack gap="xs" role="group" aria-label={t.title}>
      <Text size="sm" fw={600}>
        {t.title}
      </Text>
      {parts.map(([name, property]) => {
        const part: Partial<NonNullable<Preparation[Part]>> | null | undefined = value?.[name as Part];
        const schema = { ...resolved(property, whole), $defs: whole.$defs } as Schema;
        const told = Object.fromEntries(
          Object.entries(problems).flatMap(([path, message]) =>
            path.startsWith(`${name}.`) ? [[path.slice(name.length + 1).replace(/[.[].*$/, ''), message]] : [],
          ),
        );
        return (
          <Stack key={name} gap="xs">
            <Checkbox
              size="xs"
              label={property.title}
              description={property.description}
              error={problems[name] ?? told.taken}
              checked={Boolean(part)}
              onChange={(event) => put(name, event.currentTarget.checked ? {} : null)}
            />
            {part && (
              <Stack gap="xs" pl="lg">
                {name === 'longitudinal' && (
                  <TakenFields
                    schema={whole}
                    places={places}
                    taken={'taken' in part ? (part.taken ?? []) : []}
                    onChange={(taken) => put(name, { ...part, taken })}
                  />
                )}
                <ParameterForm
                  schema={name === 'longitudinal' ? without(schema, 'taken') : schema}
                  places={places}
                  datasets={datasets}
                  values={part}
                  problems={told}
                  onChange={(after) => put(name, after)}
                />
              </Stack>
            )}
          </Stack>
        );
      })}
    </Stack>
  );
}

/** What is taken of each variable of the analysis; where nothing is said, the first value. */
function TakenFields({
  schema,
  places,
  taken,
  onChange,
}: {
  schema: Schema;
  places: Places;
  taken: Taken[];
  onChange: (taken: Taken[]) => void;
}) {
  const how = resolved(schema.$defs?.TakenValue?.properties?.how ?? {}, schema);
  const visits = places.model?.find(({ code }) => code === 'visitid')?.enumerations ?? [];
  const named = [...new Map([...(places.y ?? []), ...(places.x ?? [])].map((variable) => [variable.code, variable])).values()];
  const offered = named.filter(({ code }) => code !== 'dataset');
  const put = (code: string, change: Partial<Taken>) => {
    const rest = taken.filter((part) => part.variable !== code);
    const before = taken.find((part) => part.variable === code);
    const after = { variable: code, how: FIRST as Taken['how'], visits: [], ...before, ...change };
    onChange(after.how === FIRST ? rest : [...rest, after]);
  };
  return offered.map((variable) => {
    const part = taken.find((known) => known.variable === variable.code);
    const label = variable.label || variable.code;
    const numeric = variable.type === 'real' || variable.type === 'integer';
    const codes = (how.enum ?? []).map(String).filter((code) => numeric || !['mean', 'change', 'slope'].includes(code));
    return (
      <Stack key={variable.code} gap={4}>
        <Select
          size="xs"
          label={label}
          allowDeselect={false}
          data={codes.map((code) => ({ value: code, label: how.labels?.[code] ?? code }))}
          value={part?.how ?? FIRST}
          onChange={(code) => put(variable.code, { how: code as Taken['how'], visits: [] })}
        />
        {part?.how === 'change' && (
          <Select
            size="xs"
            label={t.changeOf(label)}
            description={t.changeHint}
            placeholder={t.firstToLast}
            clearable
            data={pairsOf(visits)}
            value={part.visits.length === 2 ? part.visits.join(BETWEEN) : null}
            onChange={(pair) => put(variable.code, { visits: pair?.split(BETWEEN) ?? [] })}
          />
        )}
        {part?.how === 'visit' && (
          <Select
            size="xs"
            label={t.visitOf(label)}
            data={visits.map(({ code, label: told }) => ({ value: code, label: told || code }))}
            value={part.visits[0] ?? null}
            onChange={(visit) => put(variable.code, { visits: visit ? [visit] : [] })}
          />
        )}
      </Stack>
    );
  });
}

/** Every visit with each that comes after it, in the data model's order. */
function pairsOf(visits: Variable['enumerations']) {
  return visits.flatMap((from, place) =>
    visits.slice(place + 1).map((to) => ({
      value: [from.code, to.code].join(BETWEEN),
      label: t.pair(from.label || from.code, to.label || to.code),
    })),
  );
}

function without(schema: Schema, name: string): Schema {
  const properties = Object.entries(schema.properties ?? {}).filter(([known]) => known !== name);
  return { ...schema, properties: Object.fromEntries(properties) };
}

/** A preparation in words, a line for each part. */
export function preparationInWords(value: Preparation, label: (code: string) => string): string[] {
  const told: string[] = [];
  if (value.longitudinal) {
    const taken = value.longitudinal.taken.map((part) => {
      const visits = part.visits.length ? ` ${part.visits.join(' → ')}` : '';
      return `${label(part.variable)}: ${part.how}${visits}`;
    });
    told.push(t.joined(taken.join(', ')));
  }
  if (value.imputation) told.push(t.imputed(value.imputation.method));
  if (value.combat) told.push(t.harmonised(label(value.combat.batch)));
  if (value.standardise) told.push(t.standardised);
  return told;
}
