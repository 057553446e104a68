export function begin() {}
export function render() {}
export const shown = () => []
