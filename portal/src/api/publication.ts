import { call } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];
export type VolumesOrder = Omit<Schemas['VolumesOrder'], 'go'>;
export type PublicationPlan = Schemas['PublicationPlan'];
export type VolumesAnswer = Schemas['VolumesAnswer'];

/** Volumes of accepted scans joined to a dataset: planned, or with go published. */
export function publishVolumes(order: VolumesOrder, go: boolean): Promise<VolumesAnswer> {
  return call<VolumesAnswer>('POST', '/imaging/publication', { ...order, go });
}
