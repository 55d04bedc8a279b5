import { Badge, Button, Group, NumberInput, Select, Stack, Text, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { api, type DatasetEntry, type ModelTree, type Variable } from '../api/client';
import { Views } from '../results/Views';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { texts } from '../texts/texts';
import { DatasetComparison } from './DatasetComparison';
import { isNominal, isNumeric } from './filter';
import { RelatedVariables } from './RelatedVariables';
import { allVariables, pathTo, rangeOf } from './variables';

/** What one variable is and how it is distributed, with the ways to use it. */
export function VariableCard({
  model,
  variable,
  datasets,
  filters,
  roles,
  onUse,
  onShow,
}: {
  model: ModelTree;
  variable: Variable;
  datasets: DatasetEntry[];
  filters: Record<string, unknown> | null;
  roles: { y: string[]; x: string[] };
  onUse: (place: 'y' | 'x' | 'filter') => void;
  onShow: (code: string) => void;
}) {
  const [group, setGroup] = useState<string | null>(null);
  const [bins, setBins] = useState(20);
  const [askedBins] = useDebouncedValue(bins, 400);
  const holding = datasets.filter((dataset) => dataset.variables.includes(variable.code));
  const usable = isNumeric(variable) || isNominal(variable);
  const ready = usable && (holding.length > 0 || variable.code === 'dataset');
  const codes = datasets.map((dataset) => dataset.code);
  const common = { data_model: model.key, datasets: codes, filters };
  const histogram = useQuery({
    queryKey: ['histogram', common, variable.code, group, askedBins],
    queryFn: () => api.histogram({ ...common, variable: variable.code, group_by: group, bins: askedBins }),
    enabled: ready,
    placeholderData: (before, query) => (query?.queryKey[2] === variable.code ? before : undefined),
  });
  const summary = useQuery({
    queryKey: ['describe', common, variable.code],
    queryFn: () => api.describe({ ...common, variables: [variable.code] }),
    enabled: ready,
  });
  const groups = [...allVariables(model).values()]
    .filter((other) => isNominal(other) && other.code !== variable.code)
    .filter((other) => other.code === 'dataset' || datasets.some((dataset) => dataset.variables.includes(other.code)))
    .map((other) => ({ value: other.code, label: other.label || other.code }));
  const about = texts.workspace.about;
  const range = rangeOf(variable);
  const path = pathTo(model, variable.code);

  return (
    <Stack gap="lg">
      <div>
        <Text className="eyebrow">{path.join(' › ')}</Text>
        <Title order={1} fz="1.55rem" lh={1.25}>
          {variable.label || variable.code}
        </Title>
        {variable.description && (
          <Text mt={6} size="sm" c="dimmed" maw="68ch">
            {variable.description}
          </Text>
        )}
        {usable && (
          <Group gap={6} mt="sm">
            {(['y', 'x'] as const).map((role) => (
              <Button
                key={role}
                size="xs"
                variant={roles[role].includes(variable.code) ? 'light' : role === 'y' ? 'filled' : 'outline'}
                onClick={() => onUse(role)}
                title={roles[role].includes(variable.code) ? texts.workspace.added[role] : texts.workspace.use[role]}
              >
                {role === 'y' ? texts.workspace.asOutcome : texts.workspace.asCovariate}
                {roles[role].includes(variable.code) && ' ✓'}
              </Button>
            ))}
            <Button
              size="xs"
              variant="default"
              leftSection={<Icon name="filter" size={13} />}
              onClick={() => onUse('filter')}
            >
              {texts.workspace.asFilter}
            </Button>
          </Group>
        )}
      </div>
      <dl className="facts">
        <dt>{about.code}</dt>
        <dd>
          <code>{variable.code}</code>
        </dd>
        <dt>{about.type}</dt>
        <dd>{texts.workspace.types[variable.type]}</dd>
        {variable.units && (
          <>
            <dt>{about.units}</dt>
            <dd>{variable.units}</dd>
          </>
        )}
        {range && (
          <>
            <dt>{about.range}</dt>
            <dd>{range}</dd>
          </>
        )}
        {variable.enumerations.length > 0 && (
          <>
            <dt>{about.levels}</dt>
            <dd>
              <Group gap={4}>
                {variable.enumerations.slice(0, 40).map((level) => (
                  <Badge key={level.code} variant="light" color="gray" tt="none" title={level.label}>
                    {level.label === level.code ? level.code : `${level.label} (${level.code})`}
                  </Badge>
                ))}
              </Group>
            </dd>
          </>
        )}
        {variable.methodology && (
          <>
            <dt>{about.methodology}</dt>
            <dd>{variable.methodology}</dd>
          </>
        )}
        <dt>{about.in}</dt>
        <dd>
          {holding.length === 0 && variable.code !== 'dataset' && <i>{about.none}</i>}
          <Group gap={6}>
            {holding.map((dataset) => (
              <Group key={dataset.code} gap={4}>
                {dataset.label} {dataset.synthetic && <SyntheticBadge />}
              </Group>
            ))}
          </Group>
        </dd>
      </dl>
      {!usable && (
        <Text size="sm" c="dimmed">
          {texts.workspace.neverShown}
        </Text>
      )}
      {ready && (
        <section aria-label={texts.workspace.distribution}>
          <Group mb="sm" align="flex-end" gap="sm">
            <Title order={2} fz="h4" style={{ flex: 1 }}>
              {texts.workspace.distribution}
            </Title>
            <Select
              size="xs"
              label={texts.workspace.groupBy}
              placeholder={texts.workspace.noGroup}
              data={groups}
              value={group}
              onChange={setGroup}
              clearable
              searchable
            />
            {isNumeric(variable) && (
              <NumberInput
                size="xs"
                w={80}
                label={texts.workspace.bins}
                min={1}
                max={100}
                value={bins}
                onChange={(value) => typeof value === 'number' && value >= 1 && value <= 100 && setBins(value)}
              />
            )}
          </Group>
          {histogram.isPending && <Loading />}
          <ProblemAlert error={histogram.error} onRetry={() => void histogram.refetch()} />
          {histogram.data && (
            <Views
              views={histogram.data.views.filter((view) => view.kind === 'chart').slice(group ? 1 : 0, group ? 2 : 1)}
            />
          )}
        </section>
      )}
      {ready && (
        <section aria-label={texts.workspace.summary}>
          {summary.isPending && <Loading lines={3} />}
          {!histogram.error && <ProblemAlert error={summary.error} onRetry={() => void summary.refetch()} />}
          {summary.data && <Views views={summary.data.views} only="table" />}
        </section>
      )}
      {ready && summary.data && <DatasetComparison variable={variable} datasets={holding} summary={summary.data} />}
      {ready && isNumeric(variable) && (
        <RelatedVariables model={model} variable={variable} datasets={datasets} filters={filters} onChoose={onShow} />
      )}
    </Stack>
  );
}
