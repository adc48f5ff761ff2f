namespace Millrace.Storage.FileLog;

/// <summary>The checksum of any stretch of some bytes, and of the zeros that follow them, in a time that hardly depends on its length: so that a frame can be looked for at every byte.</summary>
internal sealed class StretchChecksums
{
    private const int StepBytes = 256;

    private readonly byte[] _bytes;

    // After each step from the beginning, begun with zero: what stands before a stretch is then taken out of what stands before its end.
    private readonly uint[] _registers;

    public StretchChecksums(byte[] bytes)
    {
        _bytes = bytes;
        _registers = new uint[(bytes.Length / StepBytes) + 1];
        for (var step = 1; step < _registers.Length; step++)
        {
            _registers[step] = Crc32C.Continue(_registers[step - 1], bytes.AsSpan((step - 1) * StepBytes, StepBytes));
        }
    }

    /// <summary>The same as <see cref="Crc32C.Of(ReadOnlySpan{byte})"/> says of the stretch.</summary>
    public uint Of(long from, long end) => ~(Crc32C.AfterZeros(~RegisterAt(from), end - from) ^ RegisterAt(end));

    private uint RegisterAt(long at)
    {
        var last = (int)Math.Min(at, _bytes.Length);
        var (step, left) = Math.DivRem(last, StepBytes);
        return Crc32C.AfterZeros(Crc32C.Continue(_registers[step], _bytes.AsSpan(last - left, left)), at - last);
    }
}
