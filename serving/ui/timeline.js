export function begin() {}
export function render() {}
