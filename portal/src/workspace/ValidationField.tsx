import { NumberInput, Select, Stack } from '@mantine/core';

import type { Validation } from '../api/client';
import { texts } from '../texts/texts';

const t = texts.validation;
const FOLDS = { kind: 'folds', folds: 5, seed: 1 } as const;

/** How the predictions of an analysis are judged on patients that its model has not seen. */
export function ValidationField({
  datasets,
  value,
  onChange,
}: {
  datasets: string[];
  value: Validation | null;
  onChange: (value: Validation | null) => void;
}) {
  const several = datasets.length > 1;
  const made = (kind: string | null): Validation | null => {
    if (kind === 'folds') return FOLDS;
    if (kind === 'leave_one_dataset_out') return { kind };
    return kind === 'hold_out' ? { kind, dataset: datasets[0] ?? '' } : null;
  };
  return (
    <Stack gap="xs">
      <Select
        size="xs"
        label={t.title}
        description={t.hint}
        allowDeselect={false}
        data={[
          { value: 'none', label: t.kinds.none },
          { value: 'folds', label: t.kinds.folds },
          { value: 'leave_one_dataset_out', label: t.kinds.leave_one_dataset_out, disabled: !several },
          { value: 'hold_out', label: t.kinds.hold_out, disabled: !several },
        ]}
        value={value?.kind ?? 'none'}
        onChange={(kind) => onChange(made(kind))}
      />
      {value?.kind === 'folds' && (
        <NumberInput
          size="xs"
          label={t.folds}
          min={2}
          max={20}
          allowDecimal={false}
          value={value.folds}
          onChange={(folds) => onChange({ ...value, folds: Number(folds) || FOLDS.folds })}
        />
      )}
      {value?.kind === 'hold_out' && (
        <Select
          size="xs"
          label={t.dataset}
          allowDeselect={false}
          data={datasets}
          value={value.dataset}
          onChange={(dataset) => onChange({ kind: 'hold_out', dataset: dataset ?? '' })}
        />
      )}
    </Stack>
  );
}

/** A validation that still fits the chosen datasets, else none. */
export function possible(value: Validation | null, datasets: string[]): Validation | null {
  if (!value || value.kind === 'folds') return value;
  if (datasets.length < 2) return null;
  return value.kind === 'hold_out' && !datasets.includes(value.dataset) ? null : value;
}

/** A validation in words, as a summary tells it. */
export function validationInWords(value: Validation): string {
  if (value.kind === 'folds') return t.inFolds(value.folds);
  return value.kind === 'hold_out' ? t.held(value.dataset) : t.kinds.leave_one_dataset_out;
}
