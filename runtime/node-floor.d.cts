export const FLOOR: string;
export function checkNode(): boolean;
export function unsupportedNode(): string | null;
