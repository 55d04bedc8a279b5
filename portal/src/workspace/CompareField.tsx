import { Accordion, CloseButton, Group, Select, Stack, Text } from '@mantine/core';

import type { AlgorithmEntry, Analysis, Variable } from '../api/client';
import { texts } from '../texts/texts';
import { type Grid, GridField } from './GridField';
import { ParameterForm } from './ParameterForm';
import { placesOf } from './roles';

const t = texts.compare;
/** Analyses beside the first that one request may name. */
const MOST = 9;

/** Further analyses of the same cohort, each with its own parameters. */
export function CompareField({
  first,
  fitting,
  validated,
  chosen,
  datasets,
  compare,
  problems,
  onChange,
}: {
  first: AlgorithmEntry;
  fitting: AlgorithmEntry[];
  validated: boolean;
  chosen: { y: Variable[]; x: Variable[] };
  datasets: string[];
  compare: Analysis[];
  problems: Record<string, string>[];
  onChange: (compare: Analysis[]) => void;
}) {
  const offered = comparable(first, fitting, validated);
  if (!offered.length) return null;
  const put = (place: number, part: Partial<Analysis>) =>
    onChange(compare.map((analysis, other) => (other === place ? { ...analysis, ...part } : analysis)));
  return (
    <Stack gap="xs">
      {compare.length > 0 && (
        <Accordion variant="contained" multiple chevronPosition="left" aria-label={t.title}>
          {compare.map((analysis, place) => {
            const algorithm = offered.find((known) => known.name === analysis.algorithm);
            const problem = problems[place] ?? {};
            if (!algorithm) return null;
            return (
              <Accordion.Item key={place} value={String(place)}>
                <Group gap={0} wrap="nowrap">
                  <Accordion.Control>
                    <Text size="sm">{algorithm.label}</Text>
                    {Object.keys(problem).length > 0 && (
                      <Text size="xs" c="red">
                        {Object.values(problem).join('; ')}
                      </Text>
                    )}
                  </Accordion.Control>
                  <CloseButton
                    mr="xs"
                    size="sm"
                    aria-label={t.remove(algorithm.label)}
                    onClick={() => onChange(compare.filter((_, other) => other !== place))}
                  />
                </Group>
                <Accordion.Panel>
                  <ParameterForm
                    schema={algorithm.parameters}
                    places={placesOf(algorithm, chosen.y, chosen.x)}
                    datasets={datasets}
                    values={analysis.parameters ?? {}}
                    problems={problem}
                    onChange={(parameters) => put(place, { parameters })}
                  />
                  {validated && (
                    <GridField
                      algorithm={algorithm}
                      grid={analysis.grid as Grid}
                      problem={problem.grid}
                      onChange={(grid) => put(place, { grid })}
                    />
                  )}
                </Accordion.Panel>
              </Accordion.Item>
            );
          })}
        </Accordion>
      )}
      {compare.length < MOST && (
        <Select
          size="xs"
          label={t.title}
          description={t.hint}
          placeholder={t.add}
          searchable
          data={offered.map((algorithm) => ({ value: algorithm.name, label: algorithm.label }))}
          value={null}
          onChange={(algorithm) => {
            if (algorithm) onChange([...compare, { algorithm, parameters: {}, grid: {} }]);
          }}
        />
      )}
    </Stack>
  );
}

/** The algorithms that can analyse the first one's cohort, and predict where predictions are judged. */
export function comparable(first: AlgorithmEntry, fitting: AlgorithmEntry[], validated: boolean): AlgorithmEntry[] {
  return fitting.filter((other) => other.missing === first.missing && (!validated || other.predicts));
}
