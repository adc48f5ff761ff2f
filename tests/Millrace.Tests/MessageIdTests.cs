using Xunit;

namespace Millrace.Tests;

public sealed class MessageIdTests
{
    [Fact]
    public void CanonicalUuidText_AndItsUuid_AreTheSameId()
    {
        var uuid = Guid.CreateVersion7();
        MessageId fromText = uuid.ToString("D");

        Assert.Equal(new MessageId(uuid), fromText);
        Assert.True(fromText.TryGetUuid(out var read));
        Assert.Equal(uuid, read);
        Assert.Equal(uuid.ToString("D"), fromText.ToString());
    }

    [Theory]
    [InlineData("0192E8A0-0000-7000-8000-00000000ABCD")]
    [InlineData("{0192e8a0-0000-7000-8000-00000000abcd}")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("order-17")]
    public void EveryOtherText_IsKeptAsItWasWritten(string text)
    {
        var id = new MessageId(text);

        Assert.False(id.TryGetUuid(out _));
        Assert.False(id.IsEmpty);
        Assert.Equal(text, id.ToString());
        Assert.Equal(MessageId.Parse(text), id);
    }

    [Fact]
    public void Default_IsEmpty_AndSoIsANullText()
    {
        Assert.True(default(MessageId).IsEmpty);
        Assert.Equal("", default(MessageId).ToString());
        Assert.Equal(default, (MessageId)(string?)null);
        Assert.False(MessageId.TryParse("", null, out _));
        Assert.Throws<ArgumentException>(() => new MessageId(""));
    }
}
